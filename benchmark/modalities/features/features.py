"""The modality of kind `features`."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field

from benchmark.modalities.features.networks import TransformersNetwork, ZooNetwork
from benchmark.modalities.modality import ModalityBase

if TYPE_CHECKING:
    from benchmark.archives.archive import Archive
    from benchmark.modalities.packing import PackingJob, Stamps


class FeaturesModality(ModalityBase):
    """What a frozen network sees in each view of each clip.

    The frames or keypoints that the network reads are made as their own modality makes them, and
    are deleted as soon as the features of a shard are computed.
    """

    kind: Literal["features"]
    content: ClassVar = "features"
    network: Annotated[ZooNetwork | TransformersNetwork, Field(discriminator="kind")]
    """Where the features come from."""
    tokens: Literal["mean", "time", "all"]
    """Features of a view: one mean, a mean for each moment, or every place at every moment."""
    train_views: Annotated[int, Field(ge=0)]
    """Random views of each training clip to compute besides the fixed ones of test; training draws
    from them. 0: training draws from the fixed ones."""

    @property
    def needs_points(self) -> bool:
        return self.network.modality(self.edition).needs_points

    def with_own_points(self) -> Self:
        return self.model_copy(update={"network": self.network.with_own_points()})

    def pack(self, job: PackingJob) -> list[str]:
        from benchmark.archives.union import open_archive
        from benchmark.modalities import shards
        from benchmark.modalities.features.extraction import write_shard
        from benchmark.runtime.parallel import network_workers

        self.network.open(None)  # report a damaged file once, not once per shard
        config = json.dumps({**self.model_dump(), "weights": self.network.digest()})
        job = replace(job, config=config, workers=min(job.workers, network_workers()))
        plan = shards.plan_shards(job.clips, self.shards, "features-{:03d}.safetensors")
        plan = shards.keyed(plan, self._stamps(open_archive(job.raw, job.edition)), job)
        return job.make(plan, partial(write_shard, job=job, spec=self))

    def _stamps(self, archive: Archive) -> Stamps:
        """Stamp the raw files that the network's own modality is made of."""
        from benchmark.modalities.packing import stamps_of

        reads = self.network.modality(self.edition).content
        points = None if reads == "video" else archive.keypoints()
        of_points = points.stamps if points else None
        if reads == "keypoints" and of_points is not None:
            return of_points
        return stamps_of(archive.needed_video_files(), of_points)
