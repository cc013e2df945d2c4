"""Classifiers of fields: models x {shared, random init} x datasets, beside published figures.

    python benchmarks/weightspace_accuracy.py --datasets mnist_5k --seconds 300
    python benchmarks/weightspace_accuracy.py --models flat_mlp scale_gmn --piece 540

Every dataset is built once and every model trained once on each, one after the other, in processes of their
own, with the same training time or the same epochs; datasets are found in $WSAPPS_DATA. Finished ones are not
repeated and interrupted ones continue, so the command can be killed and called again, also with other models
and another budget: each cell of the table says what its run had. What stands after ``--`` goes to all
trainings that are begun; ``most_train=20000`` is for slow models.

Published figures are for one fit an image, of all images; fields, fits and budgets are others than here.
Shared: an MLP on raw weights. Random: NFN-NP, NFN-HNP, DWSNet, NG-GNN and ScaleGMN-B, as the ScaleGMN paper
has them, exact alignment, and 64 learned probes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from printed import markdown
from weightspace_runs import Pieces

INITS = ("shared", "random")
#: Settings of each model, beside the time that all have.
WEIGHT_ONLY = {
    "flat_mlp": ["classifier=flat_mlp"],
    "canonical_mlp": ["classifier=canonical_mlp"],
    "aligned_mlp": ["classifier=aligned_mlp"],
    "nfn_np": ["classifier=nfn_np"],
    "nfn_hnp": ["classifier=nfn_hnp"],
    "dws": ["classifier=dws"],
    "neural_graph": ["classifier=neural_graph"],
    "scale_gmn": ["classifier=scale_gmn"],
}
FUNCTION_SPACE = {"probes": ["classifier=probes"], "rendered_cnn": ["classifier=rendered_cnn"]}
MODELS = WEIGHT_ONLY | FUNCTION_SPACE
#: Percent; (kind of data, init) -> model -> accuracy.
PUBLISHED = {
    ("mnist", "shared"): {"flat_mlp": 94.4},
    ("fashion_mnist", "shared"): {"flat_mlp": 83.0},
    ("mnist", "random"): {
        "flat_mlp": 17.6, "aligned_mlp": 64.4, "nfn_np": 78.5, "nfn_hnp": 79.1, "dws": 85.7,
        "neural_graph": 91.4, "scale_gmn": 96.6, "probes": 95.3,
    },
    ("fashion_mnist", "random"): {
        "flat_mlp": 12.7, "nfn_np": 68.2, "nfn_hnp": 68.9, "dws": 67.1, "neural_graph": 68.0,
        "scale_gmn": 80.8,
    },
}  # fmt: skip
Cell = tuple[str, str, str]  # dataset, init, model


def main() -> None:
    arguments = _parse()
    pieces = Pieces(arguments.piece)
    results: dict[Cell, dict[str, float]] = {}
    builds: dict[tuple[str, str], dict[str, float]] = {}
    for dataset in arguments.datasets:
        for init in arguments.inits:
            fields = arguments.out / "fields" / f"{dataset}-{init}"
            settings = [f"dataset={dataset}", f"init={init}", *arguments.build]
            builds[dataset, init] = pieces.run("build", fields, settings)
            for model in arguments.models:
                pieces.check()
                out = arguments.out / "runs" / f"{dataset}-{init}" / model
                settings = [f"dataset={fields}", *MODELS[model], *_budget(arguments), *arguments.overrides]
                results[dataset, init, model] = pieces.run("train", out, settings)
    _print(results, builds, arguments)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", nargs="+", default=["mnist_5k", "fashion_mnist"])
    parser.add_argument("--inits", nargs="+", choices=INITS, default=list(INITS))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seconds", type=float, default=600, help="training time of each model")
    parser.add_argument("--epochs", type=float, help="epochs of each model, in place of --seconds")
    parser.add_argument("--build", nargs="*", default=[], help="key=value for wsapps_weightspace.build")
    parser.add_argument(
        "--piece", type=float, help="stop this call after so many seconds; call again to go on"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/weightspace_accuracy"))
    parser.add_argument("overrides", nargs="*", help="key=value for wsapps_weightspace.train, after --")
    return parser.parse_args()


def _budget(arguments: argparse.Namespace) -> list[str]:
    """How long each model is trained, as settings."""
    if arguments.epochs is not None:
        return [f"epochs={arguments.epochs:g}"]
    return [
        f"trainer.max_seconds={arguments.seconds:g}",
        f"trainer.evaluate_seconds={arguments.seconds / 10:g}",
    ]


def _print(
    results: dict[Cell, dict[str, float]],
    builds: dict[tuple[str, str], dict[str, float]],
    arguments: argparse.Namespace,
) -> None:
    places = [(dataset, init) for dataset in arguments.datasets for init in arguments.inits]
    columns = ["model", *(f"{dataset}, {init}" for dataset, init in places), "parameters"]
    for title, models in (("Weights only", WEIGHT_ONLY), ("Function space", FUNCTION_SPACE)):
        rows = []
        for model in (model for model in models if model in arguments.models):
            cells = [_cell(results, (*place, model)) for place in places]
            size = next(metrics["parameters"] for cell, metrics in results.items() if cell[2] == model)
            rows.append([model, *cells, f"{size:,.0f}"])
        if rows:
            print(
                markdown(f"{title}: test accuracy in %, (published), epochs x training fields", columns, rows)
            )
    rows = [
        [f"{dataset}, {init}", f"{m['fit/fields']:.0f}", f"{m['fit/psnr']:.2f}", f"{m['train_seconds']:.0f}"]
        for (dataset, init), m in builds.items()
    ]
    print(markdown("Fields", ["dataset", "fields", "PSNR, dB", "seconds of fitting"], rows))
    some = next(iter(results.values()))
    print(f"\non {some['device']}, wsapps {some['version']}")


def _cell(results: dict[Cell, dict[str, float]], cell: Cell) -> str:
    dataset, init, model = cell
    kind = "mnist" if dataset.startswith("mnist") else dataset
    published = PUBLISHED.get((kind, init), {}).get(model)
    beside = f" ({published})" if published is not None else ""
    metrics = results[cell]
    return (
        f"{100 * metrics['accuracy']:.1f}{beside}, {metrics['epochs']:.3g} x {metrics['train_fields']:,.0f}"
    )


if __name__ == "__main__":
    main()
