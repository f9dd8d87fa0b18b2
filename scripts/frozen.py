"""Where the frozen app begins: the command `retimbre`, or the desktop app when nothing is asked for.

`-m MODULE` works as with an interpreter, because some of our processes (the probes of `retimbre doctor`) are modules.
"""

import multiprocessing
import runpy
import sys

if __name__ == "__main__":
    multiprocessing.freeze_support()  # a spawned process is this binary again
    if sys.argv[1:2] == ["-m"]:
        del sys.argv[1]
        runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)
    else:
        from realtime.cli import main

        if len(sys.argv) == 1:
            sys.argv.append("gui")
        main()
