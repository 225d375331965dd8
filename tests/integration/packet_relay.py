"""A bad network between two network namespaces.

    packet_relay.py PID-IN-ONE PID-IN-THE-OTHER SEED [KIND=SHARE...]

Makes a TUN device in each namespace and carries the packets over: loses some, sends some twice, delays all a little and
some so much that others overtake them. What netem of the kernel does, for kernels that have none. Says "ready" when the
devices are there, and ends with its standard input. KIND is lose, double or overtake.
"""
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
DEVICE = b"bad0"
DELAY_S, LONG_DELAY_S = 0.002, 0.015
LIBC = ctypes.CDLL(None, use_errno=True)


def device_in(pid):
    """Belongs to the namespace in which it is opened."""
    with open(f"/proc/{pid}/ns/net") as namespace:
        if LIBC.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", DEVICE, IFF_TUN | IFF_NO_PI))
    return fd


def main():
    ends = [device_in(pid) for pid in sys.argv[1:3]]
    chance = random.Random(int(sys.argv[3]))
    share = {"lose": 0.0, "double": 0.0, "overtake": 0.0}
    share.update((kind, float(value)) for kind, value in (word.split("=") for word in sys.argv[4:]))
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    print("ready", flush=True)
    under_way, count = [], 0
    while True:
        wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        ready = select.select([sys.stdin, *ends], [], [], wait)[0]
        if sys.stdin in ready:
            return
        now = time.monotonic()
        for end in ready:
            packet = os.read(end, 65536)
            if chance.random() < share["lose"]:
                continue
            for _ in range(2 if chance.random() < share["double"] else 1):
                delay = LONG_DELAY_S if chance.random() < share["overtake"] else DELAY_S
                count += 1
                heapq.heappush(under_way, (now + delay * chance.uniform(0.5, 1.5), count, other[end], packet))
        while under_way and under_way[0][0] <= now:
            _, _, end, packet = heapq.heappop(under_way)
            try:
                os.write(end, packet)
            except OSError:
                pass  # the device is not up yet, or its queue is full: one more that is lost


main()
