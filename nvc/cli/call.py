"""nvc-call: a live call over UDP, through this computer alone or between two, with a bad network put in between."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from nvc.cli.exits import run
from nvc.version import VERSION

if TYPE_CHECKING:
    from nvc.encoder import Frame
    from nvc.live.call import CallReport
    from nvc.live.link import Link
    from nvc.live.network import Conditions
    from nvc.live.receiver import Shown
    from nvc.live.screen import Screen
    from nvc.live.sender import Sender


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if (options.input is None) == (options.listen is None):
        parser.error("give an input, or --listen to receive only")
    if (options.rtc or options.page is not None) and not (options.listen is options.to is None):
        parser.error("--rtc and --page are for calls to oneself, without --to and --listen")
    if options.to is not None and options.output is not None:
        parser.error("--to sends only: what is received is written by the other side")
    work = _call if options.listen is None else _listen
    return run("nvc-call", lambda: work(options), debug=options.debug)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nvc-call",
        description="Send a face live over UDP: to itself, or with --to and --listen to another computer.",
    )
    parser.add_argument("input", nargs="?", metavar="IN", help="a video file, or a camera such as /dev/video0")
    parser.add_argument("-o", "--output", metavar="OUT", help="write what is shown: OUT.mkv or OUT.mp4")
    parser.add_argument("--to", type=_address, metavar="HOST:PORT", help="send only")
    parser.add_argument("--listen", type=int, metavar="PORT", help="receive only")
    parser.add_argument("--rtc", action="store_true", help="over a WebRTC data channel instead (extra: rtc)")
    parser.add_argument("--page", type=int, metavar="PORT", help="show both ends on a page at http://127.0.0.1:PORT")
    parser.add_argument("--quality", type=int, default=5, metavar="0..9", help="as of nvc-encode (default: 5)")
    parser.add_argument("--model", default="lite-256", help="a shipped model or a weights file (default: lite-256)")
    parser.add_argument("--delay", type=float, default=0.15, metavar="SEC", help="jitter buffer (default: 0.15)")
    parser.add_argument("--refresh", type=float, default=10.0, metavar="SEC", help="between key frames (default: 10)")
    parser.add_argument("--no-retransmission", action="store_true", help="never ask for lost packets again")
    bad = parser.add_argument_group("bad network, put before every datagram that is sent")
    bad.add_argument("--loss", type=float, default=0.0, metavar="PERCENT", help="datagrams lost")
    bad.add_argument("--burst", type=float, default=3.0, metavar="N", help="of them in a row (default: 3)")
    bad.add_argument("--jitter", type=float, default=0.0, metavar="MS", help="how much later some come than others")
    bad.add_argument("--reorder", type=float, default=0.0, metavar="PERCENT", help="datagrams held back for 50 ms")
    bad.add_argument("--seed", type=int, default=0, help="of the bad network (default: 0)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("-f", "--force", action="store_true", help="overwrite OUT")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    return parser


def _call(options: argparse.Namespace) -> None:
    from nvc.device import choose_device
    from nvc.inference import load_model
    from nvc.live.call import send_call
    from nvc.live.link import LossyLink, UdpLink
    from nvc.live.sender import Sender
    from nvc.live.sources import frames_of

    conditions = _conditions(options)
    model = load_model(options.model, choose_device(options.device))
    side = model.config.side
    frames, rate = frames_of(options.input, side)
    how = {"quality": options.quality, "refresh": options.refresh, "device": options.device}
    sender = Sender(side=side, frame_rate=rate, model=model, **how)
    if options.to is None:
        _call_oneself(options, sender, frames, float(rate))
        return
    with UdpLink(peer=options.to) as link:
        lossy = LossyLink(link, conditions, options.seed)
        send_call(frames, sender, lossy, frame_rate=float(rate), stop=threading.Event())
    print(f"nvc-call: sent {sender.sent_bytes} bytes, {sender.keys_requested} key frames on request")


def _call_oneself(options: argparse.Namespace, sender: Sender, frames: Iterator[Frame], rate: float) -> None:
    import torch

    from nvc.live.call import call_oneself
    from nvc.live.link import LossyLink

    torch.set_num_threads(max(1, torch.get_num_threads() // 2))  # both ends work at the same time
    with ExitStack() as stack:
        screen = stack.enter_context(_screen(options))
        here, there = _links(options, stack)
        lossy = LossyLink(here, _conditions(options), options.seed)
        show: Callable[[Shown], None] = screen.show
        sent: Callable[[int, Frame], None] = _nobody
        if options.page is not None:
            from nvc.live.page import CallPage

            path = "WebRTC" if options.rtc else "UDP"
            page = stack.enter_context(CallPage(sender, screen.receiver, port=options.page, path=path))
            show, sent = _both(show, page.shown), page.sent
            print(f"nvc-call: look at {page.address}", flush=True)
        _say(call_oneself(frames, sender, screen.receiver, (lossy, there), show, frame_rate=rate, sent=sent))


def _nobody(index: int, frame: Frame) -> None:
    """Nobody is told what is sent."""


def _both(first: Callable[[Shown], None], second: Callable[[Shown], None]) -> Callable[[Shown], None]:
    def show(shown: Shown) -> None:
        first(shown)
        second(shown)

    return show


def _links(options: argparse.Namespace, stack: ExitStack) -> tuple[Link, Link]:
    """The sender's and the receiver's end of a path through this computer."""
    from nvc.live.link import UdpLink

    if options.rtc:
        from nvc.live.rtc import RtcPair

        return stack.enter_context(RtcPair()).links
    there = stack.enter_context(UdpLink(bind=("127.0.0.1", 0)))
    return stack.enter_context(UdpLink(peer=there.address)), there


def _conditions(options: argparse.Namespace) -> Conditions:
    from nvc.live.network import Conditions

    return Conditions(
        loss=options.loss / 100,
        burst=options.burst,
        delay=0.0,
        jitter=options.jitter / 1000,
        reorder=options.reorder / 100,
    )


def _listen(options: argparse.Namespace) -> None:
    from nvc.live.call import receive_call
    from nvc.live.link import UdpLink

    with UdpLink(bind=("", options.listen)) as link, _screen(options) as screen:
        _say(receive_call(screen.receiver, link, screen.show, stop=threading.Event()))


@contextmanager
def _screen(options: argparse.Namespace) -> Iterator[Screen]:
    """Where pictures are shown: in a file, or nowhere."""
    from nvc.live.receiver import Receiver
    from nvc.live.screen import Screen

    again = not options.no_retransmission
    receiver = Receiver(delay=options.delay, retransmission=again, model=options.model, device=options.device)
    with Screen(receiver, options.output, force=options.force) as screen:
        yield screen


def _say(report: CallReport) -> None:
    print(f"nvc-call: {report.summary()}")


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host, int(port)


if __name__ == "__main__":
    sys.exit(main())
