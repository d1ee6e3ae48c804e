// The official TypeScript client at our gateway. Reads one JSON command a line, answers one JSON line each.
//   {"pay": [url, ...]}   -> [{status, body, settled}, ...]
//   {"forget": true}      -> a client that has lost what it knew of its channel
//   {"refund": url}
import { createInterface } from "node:readline";
import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/client";
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { toClientEvmSigner } from "@x402/evm";
import { decodePaymentRequiredHeader } from "@x402/core/http";
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { createWalletClient, defineChain, http, publicActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const { rpc, chainId, token, cap, key, deposits, scheme: wanted } = JSON.parse(process.argv[2]);
const network = `eip155:${chainId}`;
const chain = defineChain({
  id: chainId,
  name: "local",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [rpc] } },
});
const account = privateKeyToAccount(key);
const wallet = createWalletClient({ account, chain, transport: http(rpc), pollingInterval: 20 }).extend(publicActions);
const signer = toClientEvmSigner(account, wallet);

let scheme;
let exchanges = [];

async function noted(...request) {
  const response = await fetch(...request);
  const paid = new Request(...request).headers.has("PAYMENT-SIGNATURE");
  const required = response.headers.get("PAYMENT-REQUIRED");
  const error = paid && required ? ` ${decodePaymentRequiredHeader(required).error}` : "";
  exchanges.push(`${response.status}${error.replace("invalid_batch_settlement_evm_", "")}`);
  return response;
}

let fetchPaid;

function begin() {
  const options = deposits ? {} : { depositStrategy: async () => false };
  scheme = wanted === "exact" ? new ExactEvmScheme(signer) : new BatchSettlementEvmScheme(signer, options);
  const client = new x402Client().register(network, scheme);
  client.setSpendControls({ allowedAssets: [{ network, asset: token, maxAmountPerPayment: cap }] });
  fetchPaid = wrapFetchWithPayment(noted, client);
}

function told(response) {
  const settled = response.headers.get("PAYMENT-RESPONSE");
  const required = response.headers.get("PAYMENT-REQUIRED");
  if (settled) return decodePaymentResponseHeader(settled);
  return required ? { error: decodePaymentRequiredHeader(required).error } : null;
}

async function pay(urls) {
  const answers = [];
  for (const url of urls) {
    exchanges = [];
    const response = await fetchPaid(url);
    answers.push({ status: response.status, body: await response.text(), settled: told(response), exchanges });
  }
  return answers;
}

async function answer(command) {
  if ("pay" in command) return pay(command.pay);
  if ("refund" in command) return (await scheme.refund(command.refund, {})).success;
  return begin();
}

begin();
for await (const line of createInterface({ input: process.stdin })) {
  let result;
  try {
    result = { result: (await answer(JSON.parse(line))) ?? null };
  } catch (error) {
    result = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
