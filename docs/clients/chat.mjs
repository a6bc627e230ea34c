// Asks the bot through its door with OpenAI's package (npm install openai), as it is written.
//
//     node chat.mjs 我想退货
//     node chat.mjs How do I return a kettle?
//
// The door: BOT_URL (http://127.0.0.1:8000), and a key of it in BOT_KEY where it asks for one.

import { randomUUID } from "node:crypto";
import OpenAI from "openai";

const { BOT_URL: door = "http://127.0.0.1:8000", BOT_KEY: apiKey = "none" } = process.env;
const client = new OpenAI({ baseURL: `${door}/v1`, apiKey });
try {
  const chunks = await client.chat.completions.create(
    {
      model: "chatbot",
      messages: [{ role: "user", content: process.argv.slice(2).join(" ") || "我想退货" }],
      stream: true,
    },
    // A bot with [conversation] knows by it what was said before; the same in each request of a conversation.
    { headers: { "X-Conversation-Id": randomUUID() } },
  );
  for await (const chunk of chunks) {
    process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
    // What is the bot's own stands in the last one.
    if (chunk.chatbot) console.log(`\n  intent ${chunk.chatbot.intent.name}, by ${chunk.chatbot.handler}`);
  }
} catch (error) {
  console.error(`no answer: ${error.message}`);
  process.exitCode = 1;
}
