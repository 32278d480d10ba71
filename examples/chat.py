"""Sends one message over graphql-transport-ws and prints the reply as it comes.

TOKEN is an access token, CONVERSATION a conversation's id; URL defaults to a development server.
"""

import asyncio
import json
import os
import sys

import websockets

URL = os.environ.get("URL", "ws://localhost:8080/graphql/ws")
DOCUMENT = """
subscription($input: SendMessageInput!) {
  chat(input: $input) {
    __typename
    ... on ReplyDelta { text }
    ... on ReplyFailed { code reason }
  }
}
"""


async def main(content: str) -> None:
    async with websockets.connect(URL, subprotocols=["graphql-transport-ws"]) as socket:
        payload = {"authorization": f"Bearer {os.environ['TOKEN']}"}
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        await socket.recv()
        variables = {"input": {"conversationId": os.environ["CONVERSATION"], "content": content}}
        request = {"query": DOCUMENT, "variables": variables}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": request}))
        async for frame in socket:
            message = json.loads(frame)
            if message["type"] != "next":
                print() if message["type"] == "complete" else print(message)
                return
            event = (message["payload"].get("data") or {}).get("chat") or message["payload"]
            print(event.get("text") or event.get("reason") or "", end="", flush=True)


asyncio.run(main(sys.argv[1]))
