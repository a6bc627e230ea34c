"""A stub of OpenAI's chat completions that writes slowly, word by word, until its caller leaves."""

import http.server
import json
import threading
import time

PAUSE = 0.05  # seconds between two words: slow enough to be seen, and stopped
WORDS = 240
STORY = {
    "en": "Once upon a time there was a kettle that sang in the evening. ",
    "zh": "从前有一把水壶，每天晚上都会唱歌。",
}


class LanguageModel(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.askers = []  # the names of the workers that asked, in order
        self.left = 0  # how often one left before the answer's end
        self.words = WORDS
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        server.askers.append(self.path.split("/")[1])
        said = request["messages"][-1]["content"]
        is_chinese = "故事" in (said if isinstance(said, str) else json.dumps(said, ensure_ascii=False))
        words = list(STORY["zh"]) if is_chinese else [word + " " for word in STORY["en"].split()]
        words = [words[n % len(words)] for n in range(server.words)]
        if not request.get("stream"):
            self.whole("".join(words))
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for word in words:
                self.event({"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]})
                time.sleep(PAUSE)
            self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            self.event({"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": len(words)}})
            self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            server.left += 1
        self.close_connection = True

    def event(self, chunk):
        self.wfile.write(b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n")
        self.wfile.flush()

    def whole(self, text):
        message = {"role": "assistant", "content": text}
        body = {
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 20, "completion_tokens": 9},
        }
        body = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
