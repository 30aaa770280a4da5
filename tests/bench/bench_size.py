#!/usr/bin/python3
"""Private memory of idle services, after one enrollment, and the time from start to READY, in a kiosk of its own."""

import os
import socket

from benchlib import Worker, at_most, median_ms, need_plain_build, note, private_kib, start_seconds
from kiosk import Kiosk

STARTS = 7
WORKERS = {"derivd-ca": "ca.sock", "derivd-card": "card.sock", "derivd-courier": "courier.sock"}


def memory(kiosk):
    workers = [Worker(kiosk.at(f"run/{path}"), "bench") for path in WORKERS.values()]
    note("private memory (Private_Clean + Private_Dirty), idle after one enrollment; of several processes the largest; "
         "workers hold a connection")
    for program, goal in (("derivd", 8192), ("derivd-ca", 6144), ("derivd-card", 6144), ("derivd-courier", 6144),
                          ("derivd-gateway", 6144)):
        at_most(f"memory-{program}", max(map(private_kib, kiosk.pids(program))), goal, "KiB")
    for w in workers:
        w.s.close()


def hello(kiosk):
    for program, path in WORKERS.items():
        times = []
        for _ in range(STARTS):
            with Worker(kiosk.at(f"run/{path}"), "bench") as w:
                times.append(w.seconds)
        note(f"{program}: from connecting to its Hello, fork and exec included: {median_ms(times)} ms")


def listener(family, kind, address):
    s = socket.socket(family, kind)
    s.bind(address)
    s.listen(16)
    return s


def start(kiosk):
    """The services are halted: each is started alone, on its configuration and state."""
    note(f"from before the fork to READY=1, median of {STARTS} starts")
    for program, names in (("derivd", ("control", "gateway")), ("derivd-gateway", ("device",))):
        times = []
        for _ in range(STARTS):
            sockets = {}
            for name in names:
                path = kiosk.at(f"run/{name}.bench")
                if os.path.exists(path):
                    os.unlink(path)
                if name == "device":
                    sockets[name] = listener(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
                else:
                    sockets[name] = listener(socket.AF_UNIX, socket.SOCK_SEQPACKET, path)
            times.append(start_seconds(kiosk.program(program), kiosk.environment(program), sockets))
            for s in sockets.values():
                s.close()
        at_most(f"start-{program}", median_ms(times), 100, "ms")


def main():
    need_plain_build()
    with Kiosk() as kiosk:
        kiosk.insert(kiosk.card("ada", name="Ada Lovelace"))
        kiosk.provision(kiosk.device("phone"))
        memory(kiosk)
        hello(kiosk)
        kiosk.halt()
        start(kiosk)


if __name__ == "__main__":
    main()
