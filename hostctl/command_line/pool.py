"""The command of pools: pool (open, offer, list).

Only what parsing needs is imported here; the command imports the rest when it runs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from device_agents.errors import BadInput
from hostctl.command_line.command import Command, comma_list, print_result
from hostctl.plain_words import plain


def tls_options(parser: argparse.ArgumentParser) -> None:
    """Add the options by which a pool's hosts prove who they are."""
    parser.add_argument(
        "--tls-ca", default="", metavar="FILE", help="a pool with TLS: the authority all its hosts trust"
    )
    parser.add_argument("--tls-cert", default="", metavar="FILE", help="this host's certificate")
    parser.add_argument("--tls-key", default="", metavar="FILE", help="and its key")


def tls_files(options: argparse.Namespace, role: str) -> dict[str, str]:
    """Give Dask's names of the files for a role (scheduler, worker, client); raises BadInput where some are lacking."""
    files = {"tls_ca_file": options.tls_ca, f"tls_{role}_cert": options.tls_cert, f"tls_{role}_key": options.tls_key}
    if any(files.values()) and not all(files.values()):
        raise BadInput("expected --tls-ca, --tls-cert and --tls-key together, or none of them")
    return {name: str(Path(path).absolute()) for name, path in files.items()} if any(files.values()) else {}


def _pool_options(parser: argparse.ArgumentParser) -> None:
    actions = "open: keep the list of devices; offer: offer a lab's devices; list: what is offered now"
    parser.add_argument("action", choices=("open", "offer", "list"), help=actions)
    parser.add_argument("lab", type=Path, nargs="?", help="offer: the lab file")
    parser.add_argument("--pool", default="tcp://127.0.0.1:8786", metavar="ADDRESS", help="default: %(default)s")
    names = "offer: only these devices, by name (default: all with an agent)"
    parser.add_argument("--devices", default="", metavar="NAME,...", help=names)
    parser.add_argument("--host", default="127.0.0.1", help="open: the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8786, help="open: the port (default: %(default)s)")
    tls_options(parser)


def _run_pool(options: argparse.Namespace) -> int:
    from hostctl.batches import pool, pool_offer

    def said(words: str) -> None:
        if not options.quiet:
            print(plain(words), file=sys.stderr, flush=True)

    if options.action == "open":
        files = tls_files(options, "scheduler")
        pool_offer.open_pool(host=options.host, port=options.port, security=files, said=said)
        return 0
    if options.action == "offer":
        if options.lab is None:
            raise BadInput("pool offer: expected a lab file, got none")
        files = tls_files(options, "worker")
        names = comma_list(options.devices)
        pool_offer.offer(options.lab, names, scheduler=options.pool, security=files, said=said)
        return 0
    with pool.joined(options.pool, security=tls_files(options, "client")) as client:
        return print_result(options, pool.offered_rows(client), pool.offered_text)


COMMANDS = (
    Command(
        "pool",
        "share the devices of several hosts: offer them, list what is offered",
        "pool offer lab.toml --pool tls://lab.local:8786",
        _pool_options,
        _run_pool,
    ),
)
