<?php
require __DIR__ . '/vendor/autoload.php';

use StandardWebhooks\Exception\WebhookVerificationException;
use StandardWebhooks\Webhook;

$body = file_get_contents('php://input'); // the raw bytes: never the parsed body, written anew
$headers = [
    'webhook-id' => $_SERVER['HTTP_WEBHOOK_ID'] ?? null,
    'webhook-timestamp' => $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? null,
    'webhook-signature' => $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? null,
];
try {
    (new Webhook(getenv('WEBHOOK_SECRET')))->verify($body, $headers);
} catch (WebhookVerificationException $wrong) {
    http_response_code(400);
    exit;
}
$file = getenv('INBOX') . '/' . $headers['webhook-id'];
if (file_put_contents("$file.new", $body) !== strlen($body) || !rename("$file.new", "$file.json")) {
    http_response_code(500); // it comes again later
    exit;
}
http_response_code(204); // only now: it is ours, and will not come again
