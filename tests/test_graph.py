"""The graph stream: graphs of any layout, what a view shows, and mmaction2's networks over them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from benchmark.contracts.skeletons import OPENPOSE36, Layout
from benchmark.data.graph_input import GraphInput, GraphViews, stream_of, turned
from benchmark.data.person_box import PADDING
from benchmark.data.skeleton_graph import skeleton_graph
from benchmark.models.graph import Graph
from benchmark.models.mmaction_import import mmaction_models
from benchmark.models.network import build
from small_networks import CLASSES, NETWORKS, Network, theirs
from small_training import Prepared
from test_metrics import PROPERTY
from test_params import edited, fault

STREAMS = ("joint", "bone", "joint_motion", "bone_motion")
FULL = {"base_channels": 64, "stages": 10, "inflate_stages": (5, 8), "down_stages": (5, 8)}
SPEC = GraphInput(
    kind="graph", stream="joint", frames=12, scale=0.25, rotation=15.0, flip=0.5, views=2,
    flip_views=True,
)  # fmt: skip


def layout_of(count: int, edges: tuple[tuple[int, int], ...]) -> Layout:
    order = tuple(range(count))
    return Layout(name="any", points=order, edges=edges, swap=order, names=tuple(map(str, order)))


def full(network: Any) -> Graph:
    return Graph(kind="graph", network=network, dropout=0.0, **FULL)


# ---------------------------------------------------------------- the graph


def mmactions(name: str) -> Any:
    mmaction_models()
    from mmaction.models.utils import Graph as Theirs

    return Theirs(name)


@pytest.mark.parametrize("name", ["nturgb+d", "coco", "openpose"])
def test_center_and_directions_of_mmactions_skeletons_are_found_from_their_edges(name: str) -> None:
    graph = mmactions(name)
    turned_around = tuple((b, a) if k % 2 else (a, b) for k, (a, b) in enumerate(graph.inward))
    found = skeleton_graph(layout_of(graph.num_node, turned_around))
    assert found.center == graph.center
    assert {*found.inward} == {*graph.inward}


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    count = draw(st.integers(1, 12))
    point = st.integers(0, count - 1)
    return layout_of(count, tuple(draw(st.lists(st.tuples(point, point), max_size=20))))


@PROPERTY
@given(layout=layouts())
def test_every_bone_of_any_layout_leads_to_the_center(layout: Layout) -> None:
    graph = skeleton_graph(layout)
    assert {frozenset(edge) for edge in layout.edges if edge[0] != edge[1]} <= {
        frozenset(edge) for edge in graph.inward
    }
    for point, parent in enumerate(graph.parent):
        assert (parent == point) == (point == graph.center)
        assert parent == point or (point, parent) in graph.inward
        for _ in graph.parent:
            point = graph.parent[point]
        assert point == graph.center


def test_the_lips_of_openpose_reach_the_neck() -> None:
    graph = skeleton_graph(OPENPOSE36)
    assert OPENPOSE36.names[graph.center] == "neck"
    joined = {*graph.inward} - {(a, b) for x, y in OPENPOSE36.edges for a, b in ((x, y), (y, x))}
    assert {(OPENPOSE36.names[a], OPENPOSE36.names[b]) for a, b in joined} == {
        ("right mouth corner", "neck")
    }


# ---------------------------------------------------------------- views


def clip_of(seed: int = 0, frames: int = 9, unseen: float = 0.2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    points = rng.uniform(-1, 1, (frames, 36, 3)).astype(np.float32)
    points[..., 2] = rng.uniform(0.1, 1, (frames, 36))
    points[rng.random((frames, 36)) < unseen] = 0
    return points


@pytest.mark.parametrize("stream", STREAMS)
def test_what_is_not_seen_is_zero_in_every_stream(stream: Any) -> None:
    parent = skeleton_graph(OPENPOSE36).parent
    found = stream_of(clip_of(), stream, parent)
    unseen = found[..., 2] == 0
    assert unseen.any()
    assert not unseen.all()
    assert not found[unseen].any()


def test_bones_add_up_to_positions_and_motions_to_changes() -> None:
    graph, clip = skeleton_graph(OPENPOSE36), clip_of(unseen=0)
    bones = stream_of(clip, "bone", graph.parent)
    for point in range(36):
        sums, at = np.zeros((len(clip), 2)), point
        while at != graph.center:
            sums, at = sums + bones[:, at, :2], graph.parent[at]
        np.testing.assert_allclose(sums, clip[:, point, :2] - clip[:, graph.center, :2], atol=1e-5)
    for stream, of in (("joint_motion", clip), ("bone_motion", bones)):
        moved = stream_of(clip, stream, graph.parent)
        np.testing.assert_allclose(moved[:, :, :2].sum(0), (of[-1] - of[0])[:, :2], atol=1e-5)


@PROPERTY
@given(angle=st.floats(-3.2, 3.2), size=st.floats(0.5, 2))
def test_turning_keeps_shapes_and_confidences(angle: float, size: float) -> None:
    clip = clip_of()
    moved = turned(clip, angle, size)
    np.testing.assert_array_equal(moved[..., 2], clip[..., 2])
    lengths = [np.linalg.norm(x[..., :2], axis=-1) for x in (clip, moved)]
    np.testing.assert_allclose(lengths[1], size * lengths[0], rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return Prepared(tmp_path_factory.mktemp("data"))


def views_of(prepared: Prepared, folder: Path | None = None, **changes: Any) -> GraphViews:
    spec = SPEC.model_copy(update=changes)
    return GraphViews(spec, folder or prepared.modality("skeleton")[1], prepared.clips)


def test_views_do_not_depend_on_where_the_person_is(prepared: Prepared, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(prepared.modality("skeleton")[1], tmp_path / "moved"))
    for path in moved.glob("keypoints-*.npy"):
        points = np.load(path)
        points[points[..., 2] > 0, :2] += (20, 35)
        np.save(path, points)
    for clip in prepared.clips.ids:
        one, other = (
            views_of(prepared, folder).test(clip, quick=False) for folder in (None, moved)
        )
        # The box ends at whole pixels, and these pictures have 60 of them.
        np.testing.assert_allclose(one.views[0], other.views[0], atol=2 / 60)


def test_the_person_reaches_nearly_from_minus_1_to_1(prepared: Prepared) -> None:
    (views,) = views_of(prepared).test("0011_0", quick=True).views
    seen = views[0][views[0, ..., 2] > 0][:, :2]
    assert np.abs(seen).max() == pytest.approx(1 / (1 + PADDING), abs=0.05)
    assert not views[0][views[0, ..., 2] == 0].any()


def test_the_flipped_test_view_mirrors_the_one_before(prepared: Prepared) -> None:
    (views,) = views_of(prepared, frames=11, views=1).test("0011_0", quick=False).views
    assert len(views) == 2, "a clip as long as a view has one set of frames"
    swapped = views[1][:, list(OPENPOSE36.swap)]
    np.testing.assert_allclose(swapped, views[0] * [-1, 1, 1], atol=1e-6)


def test_a_training_view_without_augmentation_is_a_test_view(prepared: Prepared) -> None:
    views = views_of(prepared, frames=11, scale=0.0, rotation=0.0, flip=0.0, stream="bone")
    (view,) = views.train("0011_0", np.random.default_rng(0))
    np.testing.assert_array_equal(view, views.test("0011_0", quick=True).views[0][0])


# ---------------------------------------------------------------- the networks


NTU = tuple((a - 1, b - 1) for a, b in [
    (1, 2), (2, 21), (3, 21), (4, 3), (5, 21), (6, 5), (7, 6), (8, 7), (9, 21), (10, 9), (11, 10),
    (12, 11), (13, 1), (14, 13), (15, 14), (16, 15), (17, 1), (18, 17), (19, 18), (20, 19),
    (22, 8), (23, 8), (24, 12), (25, 12),
])  # fmt: skip
"""Edges of the 25 points of NTU RGB+D."""


@pytest.mark.parametrize(
    ("network", "millions", "thousand_millions"),
    # Source: metafiles of mmaction2 1.2.0, keypoint-3d; its AAGCN without attention is AGCN.
    [("stgcnpp", 1.4, 2.96), ("agcn", 3.5, 6.5)],
)
def test_full_networks_have_the_published_sizes(
    network: Any, millions: float, thousand_millions: float
) -> None:
    layers = full(network).layers(skeleton_graph(layout_of(25, NTU))).to("meta").eval()
    head = 257 * 60
    count = sum(p.numel() for p in layers.parameters()) + head
    assert count / 1e6 == pytest.approx(millions, abs=0.05)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        layers(torch.empty(2, 1, 100, 25, 3, device="meta"))  # two people
    assert counter.get_total_flops() / 2e9 == pytest.approx(thousand_millions, rel=0.02)


@pytest.mark.parametrize("network", ["stgcnpp", "agcn", "aagcn"])
@torch.no_grad()
def test_weights_of_mmactions_recognizer_load_and_give_its_logits(network: Any) -> None:
    graph = skeleton_graph(OPENPOSE36)
    layout = {"num_node": 36, "inward": list(graph.inward), "center": graph.center}
    own = {"type": "AAGCN", "gcn_attention": network == "aagcn"}
    if network == "stgcnpp":
        own = {"type": "STGCN", "gcn_adaptive": "init", "gcn_with_res": True, "tcn_type": "mstcn"}
    small = {
        "base_channels": 12, "num_stages": 4, "inflate_stages": [3], "down_stages": [2, 3],
        "graph_cfg": {"layout": layout, "mode": "spatial"}, "num_person": 1,
    }  # fmt: skip
    net = theirs("RecognizerGCN", own | small, {"type": "GCNHead", "in_channels": 24})
    spec = Graph(
        kind="graph", network=network, base_channels=12, stages=4, inflate_stages=(3,),
        down_stages=(2, 3), dropout=0.2,
    )  # fmt: skip
    entry = Network(spec, SPEC)
    ours, x = entry.build().eval(), entry.views(2)
    tensors = {key.replace("cls_head.fc.", "cls_head.fc_cls."): value
               for key, value in net.state_dict().items()}  # fmt: skip
    ours.load_state_dict(tensors, strict=True)
    expected = net.cls_head(net.backbone(x[0][:, None]))
    assert expected.std() > 0.1
    torch.testing.assert_close(ours(x)[:, 0], expected, atol=1e-5, rtol=1e-5)


@PROPERTY
@given(layout=layouts())
def test_a_network_is_built_over_any_layout(layout: Layout) -> None:
    net = build(NETWORKS["graph_joint"].backbone, SPEC, layout, num_classes=CLASSES).eval()
    with torch.no_grad():
        logits = net((torch.rand(2, 12, len(layout.points), 3),))
    assert logits.shape == (2, 1, CLASSES)
    assert logits.isfinite().all()


def test_graphs_and_volumes_are_not_mistaken_for_each_other() -> None:
    graph, video = NETWORKS["graph_joint"], NETWORKS["swin_rgb"]
    one = "backbone: cannot take input 'graph', it needs a volume"
    assert video.backbone.faults(graph.spec) == [one]
    two = "backbone: cannot take input 'graph', it has two pathways"
    assert NETWORKS["rgb_joint"].backbone.faults(graph.spec) == [two]
    three = "backbone: cannot take input 'video', it needs input 'graph'"
    assert graph.backbone.faults(video.spec) == [three]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stages": 3}, r"inflate_stages: a number must be 2 to 3, the stages"),
        ({"down_stages": (1,)}, r"down_stages: a number must be 2 to 10"),
        ({"inflate_stages": (5, 5)}, r"inflate_stages: a number comes twice"),
        ({"base_channels": 5}, r"base_channels: ST-GCN\+\+ shares them among 6 branches"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Graph(kind="graph", network="stgcnpp", dropout=0.0, **{**FULL, **changes})


def test_mixing_of_coordinates_is_refused(tmp_path: Path) -> None:
    old = "recipe: graph_small"
    path = edited(tmp_path, (old, "recipe: pose_small"), ("mixup: null", "mixup: {alpha: 0.2}"))
    wanted = "graph_joint.recipe: 'pose_small' mixes clips; input 'graph' cannot be mixed"
    assert wanted in fault(path)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["stgcnpp", "agcn", "aagcn"])
def test_eight_clips_are_learnt_by_heart(network: Any) -> None:
    base = NETWORKS["graph_bone"]
    spec = base.backbone.model_copy(update={"network": network, "dropout": 0.0})
    entry = Network(spec, base.spec)
    net, x, label = entry.build().train(), entry.views(8), torch.arange(8)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    for _ in range(15):
        loss = cross_entropy(net(x)[:, 0], label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.01
