"""All that stands behind the page in these tests, as processes of its own, ended with it."""

import http.server
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

from language_model import LanguageModel

root = Path(__file__).resolve().parents[2]
PATIENCE = 60  # seconds that anything may take to come up

# What the example bot doesn't have: an intent that a language model answers freely, and so in parts.
STORY = """
[intents.story]
description = "The customer wants to be told a story."
handler = ["llm"]
llm.service = "qwen"
llm.system.en = "You tell stories."
llm.system.zh = "你讲故事。"
examples.en = ["tell me a story", "a story, please", "tell me a long story", "I want to hear a story about a kettle"]
examples.zh = ["讲个故事", "给我讲一个故事", "讲一个长长的故事", "我想听故事", "来个关于水壶的故事"]
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def eventually(what, condition, patience=PATIENCE):
    """What `condition` returns as soon as it is true."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.05)
    raise AssertionError(f"not within {patience} s: {what}")


class Rig:
    def __init__(self, binary, workers=2):
        self.binary = str(Path(binary).resolve())
        self.amqp_url = os.environ["TEST_AMQP_URL"]
        self.exchange = f"browser-{uuid.uuid4().hex[:8]}"
        self.worker_count = workers
        self.processes = {}

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="chatbot-browser."))
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            process.kill()
            process.wait()
        for server in (getattr(self, "model", None), getattr(self, "shop", None)):
            if server:
                server.shutdown()
                server.server_close()
        shutil.rmtree(self.folder)

    def start(self):
        self.model = LanguageModel()
        self.redis_port = free_port()
        self.spawn(
            "redis",
            ["redis-server", "--port", str(self.redis_port), "--bind", "127.0.0.1", "--appendonly", "no", "--save", ""],
        )
        eventually("Redis", lambda: self.listens(self.redis_port))
        self.write_bot()
        self.shop = Shop()
        self.health = {f"worker-{n}": free_port() for n in range(self.worker_count)}
        for name in self.health:
            self.start_worker(name)
        self.door_port = free_port()
        self.door_url = f"http://127.0.0.1:{self.door_port}/"
        self.shop.door = self.door_url
        self.start_door()
        self.await_ready()

    def write_bot(self):
        bot = self.folder / "bot"
        shutil.copytree(root / "config/examples/customer-service", bot)
        intents = (bot / "intents.toml").read_text()
        # The example's own language model would need answers with citations; the documents answer without it.
        lines = [line for line in intents.replace('"llm", ', "").splitlines() if not line.startswith("llm.")]
        (bot / "intents.toml").write_text("\n".join(lines) + STORY)

    def environment(self, **settings):
        ours = {name: value for name, value in os.environ.items() if not name.startswith("CHATBOT_")}
        return {**ours, "CHATBOT_AMQP_URL": self.amqp_url, "CHATBOT_AMQP_EXCHANGE": self.exchange, **settings}

    def start_worker(self, name):
        self.spawn(
            name,
            [self.binary, "run"],
            self.environment(
                CHATBOT_INTENTS_PATH=str(self.folder / "bot/intents.toml"),
                CHATBOT_HTTP_LISTEN=f"127.0.0.1:{self.health[name]}",
                CHATBOT_CONVERSATION_STORE="redis",
                CHATBOT_CONVERSATION_REDIS_URL=f"redis://127.0.0.1:{self.redis_port}/0",
                CHATBOT_QWEN_KIND="openai",
                CHATBOT_QWEN_URL=f"{self.model.url}/{name}/v1",  # so that the stub knows which worker asks
                CHATBOT_QWEN_MODEL="stub",
            ),
        )

    def start_door(self):
        self.spawn_door("door", self.door_port)

    def spawn_door(self, name, port, **settings):
        environment = self.environment(
            CHATBOT_DOOR_LISTEN=f"127.0.0.1:{port}", CHATBOT_DOOR_ORIGINS=self.shop.url.rstrip("/"), **settings
        )
        self.spawn(name, [self.binary, "serve"], environment)

    def another_door(self, test, **settings):
        """One more door on the same bot for a test alone, of these settings. Returns its address."""
        port = free_port()
        self.spawn_door(f"door-{port}", port, **settings)
        test.addCleanup(self.kill, f"door-{port}")
        eventually("the other door", lambda: self.is_ready(port))
        return f"http://127.0.0.1:{port}/"

    def await_ready(self):
        for port in [*self.health.values(), self.door_port]:
            eventually(f"/readyz at port {port}", lambda: self.is_ready(port))

    def kill(self, name):
        """As when a machine dies."""
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes.pop(name).wait()

    def restart_broker(self):
        node = os.environ.get("TEST_BROKER_NODE", "test")
        subprocess.run([os.environ["TEST_BROKER"], "restart", node], check=True, stdout=subprocess.DEVNULL)

    def spawn(self, name, command, environment=None):
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment
            )

    def show_logs(self):
        for log in sorted(self.folder.glob("*.log")):
            print(
                f"--- the end of {log.name}:", "\n".join(log.read_text(errors="replace").splitlines()[-15:]), sep="\n"
            )

    @staticmethod
    def listens(port):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    @staticmethod
    def is_ready(port):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


class Shop(http.server.ThreadingHTTPServer):
    """Somebody's page, of another origin than the door's, with the widget in it."""

    door = ""
    key = ""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), ShopHandler)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """A browser that leaves in the middle is none."""


class ShopHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        page = (Path(__file__).parent / "shop.html").read_text().replace("DOOR/", self.server.door)
        page = page.replace("KEY", self.server.key).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_):
        pass
