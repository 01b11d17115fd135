import { createServer } from "node:http";
import { rename, writeFile } from "node:fs/promises";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.WEBHOOK_SECRET);

async function receive(request, response) {
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = Buffer.concat(parts); // the raw bytes: never the parsed body, written anew
  try {
    webhook.verify(body, request.headers);
  } catch {
    return response.writeHead(400).end();
  }
  const file = `${process.env.INBOX}/${request.headers["webhook-id"]}`;
  await writeFile(`${file}.new`, body);
  await rename(`${file}.new`, `${file}.json`); // a message that comes again takes its own place
  response.writeHead(204).end(); // only now: it is ours, and will not come again
}

createServer((request, response) => {
  receive(request, response).catch(() => response.writeHead(500).end()); // it comes again later
}).listen(Number(process.env.PORT), "127.0.0.1");
