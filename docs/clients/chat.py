"""Asks the bot through its door with OpenAI's package (pip install openai), as it is written.

    python3 chat.py 我想退货
    python3 chat.py How do I return a kettle?

The door: BOT_URL (http://127.0.0.1:8000), and a key of it in BOT_KEY where it asks for one.
"""

import os
import sys
import uuid

import openai

client = openai.OpenAI(
    base_url=os.environ.get("BOT_URL", "http://127.0.0.1:8000") + "/v1",
    api_key=os.environ.get("BOT_KEY", "none"),
)
try:
    chunks = client.chat.completions.create(
        model="chatbot",
        messages=[{"role": "user", "content": " ".join(sys.argv[1:]) or "我想退货"}],
        stream=True,
        # A bot with [conversation] knows by it what was said before; the same in each request of a conversation.
        extra_headers={"X-Conversation-Id": str(uuid.uuid4())},
    )
    for chunk in chunks:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
        # What is the bot's own stands in the last one.
        if reply := getattr(chunk, "chatbot", None):
            print(f"\n  intent {reply['intent']['name']}, by {reply.get('handler')}")
except openai.APIError as error:
    sys.exit(f"no answer: {error.message}")
