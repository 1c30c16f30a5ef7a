"""Executes a notebook with the Deno kernel through nbclient.

    python execute.py JOB

JOB is JSON: notebook, out, folder, log, probe (paths), cell_seconds, seconds, settle_seconds. Says how it went as a
line of JSON for the kernel's process and for each code cell; the executed notebook is written to `out`.

nbclient's own loop stops listening to a cell when the kernel is idle, but the Deno kernel reports idle before its
output has left, and gives late output the header of the request that runs then. So this loop sends one cell at a
time and waits for a mark of the probe, which comes through the same queue as the output, after it.
"""

import asyncio
import json
import os
import queue
import signal
import subprocess
import sys

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

CELLS = 'globalThis[Symbol.for("longlens.cells")]'
POLL_SECONDS = 1


def say(**event):
    print(json.dumps(event), flush=True)


class Runner:
    """Sends requests to a kernel and puts what it publishes into the cell that runs."""

    def __init__(self, client):
        self.client = client
        self.strays = []
        self.left = False

    async def hidden(self, code, cell, index):
        """Evaluates code that is no cell's."""
        reply = await self.request(code, cell, index, silent=True, store_history=False)
        if reply["status"] != "ok":
            raise RuntimeError(f"The kernel does not take {code[:60]}: {reply.get('evalue')}")

    async def request(self, code, cell, index, **how):
        message = self.client.kc.execute(code, allow_stdin=False, **how)
        await self.read(cell, index, lambda got: is_idle(got, message))
        while True:
            reply = await self.next_message(self.client.kc.get_shell_msg)
            if reply["parent_header"].get("msg_id") == message:
                return reply["content"]

    async def read(self, cell, index, done):
        """Takes messages in until `done` says so of one."""
        while True:
            message = await self.next_message(self.client.kc.get_iopub_msg)
            self.take(message, cell, index)
            if done(message):
                return

    async def next_message(self, get):
        while True:
            try:
                return await get(timeout=POLL_SECONDS)
            except queue.Empty:
                if not await self.client.km.is_alive():
                    raise DeadKernelError("The kernel died") from None

    def take(self, message, cell, index):
        kind = message["msg_type"]
        if kind == "longlens_stray":
            self.strays.append(message["content"])
        elif kind == "longlens_left":
            self.left = True
        elif kind not in ("status", "execute_input"):
            self.client.process_message(message, cell, index)

    async def cell(self, cell, index, settle_seconds):
        """Executes a cell; its reply and what it printed into other cells come back."""
        self.strays, self.left = [], False
        cell.outputs = []
        self.client.clear_before_next_output = False
        await self.hidden(f"{CELLS}.enter({index})", cell, index)
        reply = await self.request(cell.source, cell, index)
        await self.hidden(f"{CELLS}.leave()", cell, index)
        if not self.left:
            await self.read(cell, index, lambda _: self.left)
        await self.settle(cell, index, settle_seconds)
        cell.execution_count = reply["execution_count"]
        cell.outputs = merged(cell.outputs)
        return reply

    async def settle(self, cell, index, seconds):
        """Takes in what a cell prints after its end."""
        try:
            await asyncio.wait_for(self.read(cell, index, lambda _: False), seconds)
        except asyncio.TimeoutError:
            pass


def is_idle(message, request):
    return (
        message["msg_type"] == "status"
        and message["content"]["execution_state"] == "idle"
        and message["parent_header"].get("msg_id") == request
    )


def merged(outputs):
    """Outputs in which neighbours of one stream are one, as a front end shows them."""
    result = []
    for output in outputs:
        last = result[-1] if result else None
        if last and output.output_type == "stream" and last.get("name") == output.name:
            last.text += output.text
        else:
            result.append(output)
    return result


async def execute_cells(runner, job):
    cells = runner.client.nb.cells
    with open(job["probe"], encoding="utf-8") as probe:
        await runner.hidden(probe.read(), None, -1)
    for index, cell in enumerate(cells):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        say(begins=index)
        timed = runner.cell(cell, index, job["settle_seconds"])
        reply = await asyncio.wait_for(timed, job["cell_seconds"])
        failure = None
        if reply["status"] != "ok":
            failure = {key: reply.get(key) for key in ("ename", "evalue", "traceback")}
        say(cell=index, error=failure, strays=runner.strays)
        if failure:
            return


async def execute(job):
    notebook = nbformat.read(job["notebook"], as_version=4)
    client = NotebookClient(notebook, kernel_name="deno", shutdown_kernel="immediate")
    # A kernel that is left over must not hold a pipe of ours open.
    with open(job["log"], "wb") as log:
        files = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        async with client.async_setup_kernel(cwd=job["folder"], **files):
            kernel = client.km.provisioner.pid
            say(kernel=kernel)
            try:
                await execute_cells(Runner(client), job)
            finally:
                kill_group(kernel)
    nbformat.write(notebook, job["out"])


def kill_group(leader):
    """Ends the kernel, which leads a session of its own, and what it started."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        pass


async def main(job):
    try:
        await asyncio.wait_for(execute(job), job["seconds"])
    except asyncio.TimeoutError:
        say(stopped="timeout")
    except DeadKernelError:
        say(stopped="dead")


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
