"""Our whole training pipeline against mmaction2's Runner: the same network, clips and recipe.

On the clips of edition mimic as `dvc repro prepare` made them. The Runner gets the same keypoints,
or the same small videos as files, so that neither side has less to decode. Both start from the
same weights and validate after each epoch; what is timed is the whole call, from building to the
last validation:

    python tests/bench/runner.py joint
    python tests/bench/runner.py swin_rgb --epochs 3
"""

from __future__ import annotations

import pickle
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import numpy as np

from benchmark.contracts.clips import read_clips
from benchmark.data.manifest import read_manifest
from benchmark.data.normalization import DatasetNorm
from benchmark.data.readers import SkeletonReader
from benchmark.data.skeleton_input import SkeletonInput
from benchmark.data.video_input import VideoInput
from benchmark.editions.edition import read_edition
from benchmark.models import mmaction_import as mmaction
from benchmark.models.network import build
from benchmark.models.pose_conv3d import PoseConv3d
from benchmark.models.video_swin import VideoSwin
from benchmark.params.params import read_params
from benchmark.runtime.distributed import alone
from benchmark.runtime.seeding import set_up_torch
from benchmark.training.checkpoint import Checkpoints
from benchmark.training.loop import train
from benchmark.training.state import TrainSpec
from benchmark.weights.initial import write_no_weights

if TYPE_CHECKING:
    from benchmark.editions.splits import Split

Config = dict[str, Any]

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
NORM = DatasetNorm(kind="dataset", mean=MEAN, std=STD)


class Curve(NamedTuple):
    """One training."""

    losses: list[float]
    """Mean training loss of each epoch."""
    ends: list[float]
    """Seconds from the call until each epoch was trained and validated."""
    seconds: float
    """Of the whole call."""


def task_of(name: str, epochs: int, start: Path, seed: int) -> TrainSpec:
    """An experiment of params.yaml with a recipe that both sides can follow."""
    params = read_params(Path("params.yaml"))
    experiment = params.experiments[name]
    edition = read_edition(experiment.edition)
    spec = experiment.input
    if isinstance(spec, VideoInput):
        spec = spec.model_copy(update={"normalization": NORM})
    recipe = params.recipes[experiment.recipe]
    folder = Path("data", experiment.edition)
    return TrainSpec(
        experiment=experiment.model_copy(update={"input": spec}),
        recipe=recipe.model_copy(update={"epochs": epochs, "warmup_epochs": 0.0}),
        modality=params.modalities[experiment.modality],
        modality_folder=folder / experiment.modality,
        init_folder=start,
        clips=read_clips(folder / "clips.parquet", edition),
        classes=edition.classes,
        seed=seed,
    )


def ours(task: TrainSpec, folder: Path) -> Curve:
    """Train as stage `train` does."""
    began, losses, ends = time.perf_counter(), [], []

    def report(_: int, row: dict[str, float]) -> None:
        losses.append(row["train/loss"])
        ends.append(time.perf_counter() - began)

    train(task, alone(task.recipe), Checkpoints(folder, "bench", str(task.seed)), report)
    return Curve(losses, ends, time.perf_counter() - began)


# ---------------------------------------------------------------- mmaction2's side


def pose_pipeline(spec: SkeletonInput, layout: Any, *, test: bool) -> list[Config]:
    """PoseConv3D's transforms of mmaction2, at our sizes."""
    pairs = [(one, other) for one, other in enumerate(layout.swap) if one < other]
    sides = {"left_kp": [one for one, _ in pairs], "right_kp": [other for _, other in pairs]}
    square = {"type": "Resize", "scale": (spec.size, spec.size), "keep_ratio": False}
    augment = [
        {"type": "RandomResizedCrop", "area_range": spec.crop_area},
        square,
        {"type": "Flip", "flip_ratio": spec.flip, **sides},
    ]
    return [
        {"type": "UniformSampleFrames", "clip_len": spec.frames, "test_mode": test},
        {"type": "PoseDecode"},
        {"type": "PoseCompact", "hw_ratio": 1.0, "allow_imgpad": True},
        *([square] if test else augment),
        {"type": "GeneratePoseTarget", "sigma": spec.sigma, "with_kp": True, "with_limb": False},
        {"type": "FormatShape", "input_format": "NCTHW_Heatmap"},
        {"type": "PackActionInputs"},
    ]


def video_pipeline(spec: VideoInput, *, test: bool) -> list[Config]:
    """Uniform frames of small videos, crop, flip."""
    resize = {"type": "Resize", "scale": (-1, spec.resize)}
    center = {"type": "CenterCrop", "crop_size": spec.size}
    augment = [
        {"type": "CenterCrop", "crop_size": spec.resize},
        {
            "type": "RandomResizedCrop",
            "area_range": spec.crop_area,
            "aspect_ratio_range": spec.crop_ratio,
        },
        {"type": "Resize", "scale": (spec.size, spec.size), "keep_ratio": False},
        {"type": "Flip", "flip_ratio": spec.flip},
    ]
    return [
        {"type": "DecordInit"},
        {"type": "UniformSample", "clip_len": spec.frames, "test_mode": test},
        {"type": "DecordDecode"},
        resize,
        *([center] if test else augment),
        {"type": "FormatShape", "input_format": "NCTHW"},
        {"type": "PackActionInputs"},
    ]


def write_poses(task: TrainSpec, split: Split, folder: Path) -> tuple[str, Any]:
    """The clips' keypoints as the pickle that PoseDataset reads; their layout."""
    reader = SkeletonReader(task.modality_folder, task.clips)
    rows = []
    for clip in task.clips.split(split):
        points = reader.read(clip.clip_id)
        rows.append({
            "frame_dir": clip.clip_id, "label": clip.label, "total_frames": len(points),
            "img_shape": (clip.height, clip.width), "original_shape": (clip.height, clip.width),
            "keypoint": points[None, ..., :2], "keypoint_score": points[None, ..., 2],
        })  # fmt: skip
    path = folder / f"{split}.pkl"
    path.write_bytes(pickle.dumps(rows))
    return str(path), reader.layout


def write_videos(task: TrainSpec, split: Split, folder: Path) -> str:
    """The packed clips as files, byte for byte, and the list that VideoDataset reads."""
    modality, lines = read_manifest(task.modality_folder, task.clips), []
    for clip in task.clips.split(split):
        row, path = modality[clip.clip_id], folder / f"{clip.clip_id}.mp4"
        with (task.modality_folder / row.shard).open("rb") as file:
            file.seek(row.offset)
            path.write_bytes(file.read(row.size))
        lines.append(f"{path} {clip.label}\n")
    listed = folder / f"{split}.txt"
    listed.write_text("".join(lines), "utf-8")
    return str(listed)


def dataset(task: TrainSpec, split: Split, folder: Path) -> Config:
    """What the Runner reads."""
    spec, test = task.experiment.input, split == "val"
    match spec:
        case SkeletonInput():
            path, layout = write_poses(task, split, folder)
            pipeline = pose_pipeline(spec, layout, test=test)
            return {"type": "PoseDataset", "ann_file": path, "pipeline": pipeline}
        case VideoInput():
            path = write_videos(task, split, folder)
            pipeline = video_pipeline(spec, test=test)
            return {"type": "VideoDataset", "ann_file": path, "pipeline": pipeline}
    raise click.UsageError(f"input {spec.kind} has no peer here")


def backbone(task: TrainSpec, in_channels: int) -> Config:
    """The network, by mmaction2's own names."""
    match task.experiment.backbone:
        case PoseConv3d() as spec:
            stages = len(spec.stage_blocks)
            return {
                "type": "ResNet3dSlowOnly", "depth": 50, "pretrained": None,
                "in_channels": in_channels, "base_channels": spec.base_channels,
                "num_stages": stages, "out_indices": (stages - 1,),
                "stage_blocks": spec.stage_blocks, "conv1_stride_s": spec.stem_stride,
                "pool1_stride_s": spec.pool_stride, "inflate": spec.inflate,
                "spatial_strides": spec.spatial_strides,
                "temporal_strides": spec.temporal_strides, "dilations": (1,) * stages,
            }  # fmt: skip
        case VideoSwin() as spec:
            return {
                "type": "SwinTransformer3D", "pretrained": None, "pretrained2d": False,
                "arch": {
                    "embed_dims": spec.embed_dims, "depths": list(spec.depths),
                    "num_heads": list(spec.num_heads),
                },
                "patch_size": spec.patch_size, "window_size": spec.window_size,
                "out_indices": (len(spec.depths) - 1,), "drop_path_rate": spec.drop_path,
            }  # fmt: skip
        case other:
            raise click.UsageError(f"backbone {other.kind} has no peer here")


def config(task: TrainSpec, folder: Path, width: int, in_channels: int, workers: int) -> Config:
    """Everything that the Runner is made of; what a config of mmaction2 says of it."""
    recipe, spec = task.recipe, task.experiment.backbone
    video = isinstance(task.experiment.input, VideoInput)
    means = {"mean": list(MEAN), "std": list(STD)} if video else {}
    loader = {"batch_size": recipe.batch_size, "num_workers": workers}
    loader |= {"persistent_workers": workers > 0}
    shuffled = {"type": "DefaultSampler", "shuffle": True}
    in_order = {"type": "DefaultSampler", "shuffle": False}
    free = {"norm_decay_mult": 0.0, "bias_decay_mult": 0.0}
    return {
        "model": {
            "type": "Recognizer3D",
            "backbone": backbone(task, in_channels),
            "cls_head": {
                "type": "I3DHead", "in_channels": width, "num_classes": len(task.classes),
                "dropout_ratio": spec.dropout, "average_clips": "prob",
            },
            "data_preprocessor": {
                "type": "ActionDataPreprocessor", "format_shape": "NCTHW", **means
            },
        },
        "train_dataloader": {
            **loader, "sampler": shuffled, "dataset": dataset(task, "train", folder)
        },
        "val_dataloader": {
            **loader, "sampler": in_order,
            "dataset": {**dataset(task, "val", folder), "test_mode": True},
        },
        "val_evaluator": {"type": "AccMetric"},
        "train_cfg": {"type": "EpochBasedTrainLoop", "max_epochs": recipe.epochs},
        "val_cfg": {"type": "ValLoop"},
        "optim_wrapper": {
            "optimizer": {
                "type": "AdamW", "lr": recipe.lr, "weight_decay": recipe.optimizer.weight_decay
            },
            "paramwise_cfg": free,
            "clip_grad": {"max_norm": recipe.grad_clip},
        },
        "param_scheduler": [
            {"type": "CosineAnnealingLR", "T_max": recipe.epochs, "convert_to_iter_based": True}
        ],
        "default_scope": "mmaction", "work_dir": str(folder / "work"), "log_level": "ERROR",
    }  # fmt: skip


def theirs(task: TrainSpec, folder: Path, workers: int) -> Curve:
    """Train with mmengine's Runner, from the weights that ours start from."""
    mmaction.mmaction_models()  # our shim makes mmaction2 importable
    from mmaction.utils import register_all_modules
    from mmengine.hooks import Hook
    from mmengine.runner import Runner

    register_all_modules(init_default_scope=False)
    set_up_torch(task.seed, threads=task.recipe.threads, deterministic=False)
    layout = None
    if isinstance(task.experiment.input, SkeletonInput):
        layout = SkeletonReader(task.modality_folder, task.clips).layout
    first = build(
        task.experiment.backbone, task.experiment.input, layout, num_classes=len(task.classes)
    )
    weights = {name: value.contiguous() for name, value in first.state_dict().items()}
    width = first.cls_head.fc_cls.in_features
    in_channels = 3 if layout is None else len(layout.points)
    made = Runner(**config(task, folder, width, in_channels, workers))
    made.model.load_state_dict(weights, strict=True)

    class Watch(Hook):
        def __init__(self) -> None:
            self.began = time.perf_counter()
            self.steps: list[float] = []
            self.losses: list[float] = []
            self.ends: list[float] = []

        def after_train_iter(self, *_: Any, outputs: Any = None, **__: Any) -> None:
            self.steps.append(float(outputs["loss"]))

        def after_train_epoch(self, _: Any) -> None:
            self.losses.append(float(np.mean(self.steps)))
            self.steps = []

        def after_val_epoch(self, *_: Any, **__: Any) -> None:
            self.ends.append(time.perf_counter() - self.began)

    watch = Watch()
    made.register_hook(watch, priority="LOWEST")
    watch.began = time.perf_counter()
    made.train()
    return Curve(watch.losses, watch.ends, time.perf_counter() - watch.began)


@click.command()
@click.argument("experiment", type=click.Choice(["joint", "swin_rgb"]))
@click.option("--epochs", default=3, show_default=True)
@click.option("--workers", default=0, show_default=True, help="Loader processes of the Runner.")
def main(experiment: str, epochs: int, workers: int) -> None:
    """Print clips a second of both, their ratio, and the loss of each epoch."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_no_weights(folder / "scratch")
        task = task_of(experiment, epochs, folder / "scratch", seed=1)
        peer = theirs(task, folder, workers)
        own = ours(task, folder / "own")
        again = ours(task_of(experiment, epochs, folder / "scratch", seed=2), folder / "again")
    clips = epochs * len(task.clips.split("train"))
    click.echo("epoch  ours, seed 1  ours, seed 2  mmaction2")
    for row in zip(own.losses, again.losses, peer.losses, strict=True):
        click.echo("       " + "  ".join(f"{loss:12.4f}" for loss in row))
    for said, curve in (("ours", own), ("mmaction2's Runner", peer)):
        later = (clips - clips / epochs) / (curve.ends[-1] - curve.ends[0]) if epochs > 1 else 0
        click.echo(
            f"{said:<20} {clips / curve.seconds:6.1f} clips/s, after the first epoch {later:6.1f}"
        )
    click.echo(f"ours is {peer.seconds / own.seconds:.2f} times as fast")


if __name__ == "__main__":
    main()
