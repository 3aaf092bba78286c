// The page of the cross-origin test; bundled for the browser.
import { Chat } from "@ai-sdk/react";
import { TriggerChatTransport } from "@trigger.dev/sdk/chat";

const text = (message) => message.parts.filter((part) => part.type === "text").map((part) => part.text).join("|");

/** Two turns of a chat whose handler, session routes and platform are all on other origins. */
window.converse = async ({ url, api, id, user, preload }) => {
  const headers = { "content-type": "application/json", "x-user": user };
  const route = async (action) => {
    const response = await fetch(`${url}/api/chat/${id}/${action}`, { method: "POST", headers, body: "{}" });
    if (!response.ok) throw new Error(`${action}: ${response.status}`);
    return response.json();
  };
  const errors = [];
  const transport = new TriggerChatTransport({
    task: "my-agent",
    baseURL: api,
    headStart: `${url}/api/chat`,
    headers: { "x-user": user },
    startSession: () => route("start"),
    accessToken: async () => (await route("access-token")).publicAccessToken,
  });
  const chat = new Chat({ id, transport, onError: (error) => errors.push(`${error.status ?? ""} ${error.message}`) });
  if (preload) await transport.preload(id);
  await chat.sendMessage({ text: "Hello" });
  if (errors.length === 0) await chat.sendMessage({ text: "And now?" });
  return { said: chat.messages.filter((message) => message.role === "assistant").map(text), errors, status: chat.status };
};
