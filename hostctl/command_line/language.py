"""The command of language models: language questions, text and harness.

Only what parsing needs is imported here; the command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device_agents.errors import BadInput
from hostctl.command_line.command import Command, comma_list, print_result

if TYPE_CHECKING:
    from hostctl.languages.asked import Asked
    from hostctl.printing import Progress

    Told = tuple[dict[str, Any], Callable[[Any], str]]

KINDS = ("hellaswag", "lambada", "piqa", "winogrande")  # of stability_train.language.questions


def _options(parser: argparse.ArgumentParser) -> None:
    actions = "questions: multiple choice; text: perplexity and next tokens; harness: tasks of lm-evaluation-harness"
    parser.add_argument("action", choices=["questions", "text", "harness"], help=actions)
    parser.add_argument("texts", type=Path, nargs="*", help="text: .txt or .jsonl files (default: the packaged ones)")
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=Path, metavar="FILE", help=f"questions: a JSONL file as {kind} has them")
    parser.add_argument("--limit", type=int, metavar="N", help="questions, harness: the first N of each kind")
    parser.add_argument("--tasks", type=comma_list, default=(), metavar="NAME,...", help="harness: its tasks' names")
    parser.add_argument("--task-folder", type=Path, metavar="DIR", help="harness: a folder of task files of your own")
    window = "text: tokens that the model sees at once (default: %(default)s)"
    parser.add_argument("--window", type=int, default=512, metavar="TOKENS", help=window)
    stride = "text: new tokens that each window scores (default: %(default)s)"
    parser.add_argument("--stride", type=int, default=256, metavar="TOKENS", help=stride)
    model = "a model's name or a .gguf file of a Llama (default: %(default)s)"
    parser.add_argument("--model", default="smollm2-135m-instruct", help=model)
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json (default: the GGUF file's own)")
    precision = "compared with float32: float16, bfloat16, int8, int8-mixed, ... (default: %(default)s)"
    parser.add_argument("--precision", default="float16,bfloat16,int8", metavar="NAME,...", help=precision)
    runtime = "the first is the base's, others are compared (default: %(default)s)"
    parser.add_argument("--runtime", default="onnxruntime", metavar="NAME,...", help=runtime)
    parser.add_argument("--threads", default="1", metavar="N,...", help="the same of threads (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="the run's folder (default: runs/language, runs/language-text)")


def _run(options: argparse.Namespace) -> int:
    from hostctl import printing
    from hostctl.languages.asked import Asked

    try:
        threads = tuple(int(one) for one in comma_list(options.threads))
    except ValueError as problem:
        raise BadInput(f"--threads: expected whole numbers, got {options.threads!r}") from problem
    if options.limit is not None and options.limit < 1:
        raise BadInput(f"--limit: expected 1 or more, got {options.limit}")
    asked = Asked(
        model=options.model,
        tokenizer=options.tokenizer,
        precisions=comma_list(options.precision),
        runtimes=comma_list(options.runtime),
        threads=threads,
    )
    if options.texts and options.action != "text":
        raise BadInput(
            f"{options.action}: expected no text files, got {options.texts[0]}; --piqa takes a file of questions"
        )
    with printing.progress(options) as progress:
        result, text = ACTIONS[options.action](options, asked, progress)
    return print_result(options, result, text)


def _questions(options: argparse.Namespace, asked: Asked, progress: Progress) -> Told:
    from hostctl.languages.questions import ask_questions
    from hostctl.languages.told import questions_text

    files = {kind: getattr(options, kind) for kind in KINDS if getattr(options, kind) is not None}
    return ask_questions(files, asked=asked, out=options.out, limit=options.limit, progress=progress), questions_text


def _text(options: argparse.Namespace, asked: Asked, progress: Progress) -> Told:
    from hostctl.languages.texts import Windows, read_texts
    from hostctl.languages.told import texts_text

    windows = Windows(options.window, options.stride)
    return read_texts(options.texts, asked=asked, windows=windows, out=options.out, progress=progress), texts_text


def _harness(options: argparse.Namespace, asked: Asked, progress: Progress) -> Told:
    from hostctl.languages.harness import run_harness
    from hostctl.languages.told import harness_text

    given = {"tasks": options.tasks, "folder": options.task_folder, "limit": options.limit}
    return run_harness(asked=asked, progress=progress, **given), harness_text


ACTIONS = {"questions": _questions, "text": _text, "harness": _harness}
COMMANDS = (
    Command(
        "language",
        "say what precision changes in a language model's answers and next tokens",
        "language questions --piqa valid.jsonl --precision float16,int8",
        _options,
        _run,
    ),
)
