"""Write one sheet of numbers as xlsx, fast and always the same bytes.

openpyxl is several times slower, and stamps the time into the file.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from benchmark.core.files import replacing

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

# The earliest time that a zip entry can hold: the time of day must not change the bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/>'
    "</Types>",
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
    f'Type="{_REL}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_REL}"><sheets>'
    '<sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_REL}/worksheet" Target="worksheets/sheet1.xml"/>'
    "</Relationships>",
}


def write_xlsx(path: Path, table: NDArray[np.floating]) -> None:
    """Write a table (rows, columns) without header, 3 decimals."""
    row = '<row r="%d">' + "<c><v>%.3f</v></c>" * table.shape[1] + "</row>"
    with replacing(path) as beside, zipfile.ZipFile(beside, "w") as archive:
        for name, text in _PARTS.items():
            archive.writestr(_entry(name), _HEAD + text, compresslevel=1)
        with archive.open(_entry("xl/worksheets/sheet1.xml"), "w") as sheet:
            sheet.write(f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
            for number, values in enumerate(table.tolist(), start=1):
                sheet.write((row % (number, *values)).encode())
            sheet.write(b"</sheetData></worksheet>")


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    # `ZipFile.open` takes the level from the entry alone, and only a private name sets it there.
    entry._compresslevel = 1  # pyright: ignore[reportAttributeAccessIssue]
    return entry
