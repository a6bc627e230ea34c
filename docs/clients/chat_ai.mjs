// Asks the bot through its door with Vercel's package (npm install ai @ai-sdk/openai-compatible), as it is written.
//
//     node chat_ai.mjs 我想退货
//     node chat_ai.mjs How do I return a kettle?
//
// The door: BOT_URL (http://127.0.0.1:8000), and a key of it in BOT_KEY where it asks for one.

import { randomUUID } from "node:crypto";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { streamText } from "ai";

const { BOT_URL: door = "http://127.0.0.1:8000", BOT_KEY: apiKey } = process.env;
const bot = createOpenAICompatible({ name: "chatbot", baseURL: `${door}/v1`, apiKey });
const answer = streamText({
  model: bot("chatbot"),
  prompt: process.argv.slice(2).join(" ") || "我想退货",
  // A bot with [conversation] knows by it what was said before; the same in each request of a conversation.
  headers: { "X-Conversation-Id": randomUUID() },
  onError: ({ error }) => {
    console.error(`no answer: ${error.message}`);
    process.exitCode = 1;
  },
});
for await (const text of answer.textStream) process.stdout.write(text);
console.log();
