// The official TypeScript server of x402 behind node's own HTTP: one paid address, channels in its own memory.
// `node scripts/bench/x402_npm.mjs FILE`; the file names the chain, the keys and the channels it starts with.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { x402Facilitator } from "@x402/core/facilitator";
import { x402HTTPResourceServer, x402ResourceServer } from "@x402/core/server";
import { toFacilitatorEvmSigner } from "@x402/evm";
import { BatchSettlementEvmScheme as Facilitator } from "@x402/evm/batch-settlement/facilitator";
import { BatchSettlementEvmScheme, InMemoryChannelStorage } from "@x402/evm/batch-settlement/server";
import { createWalletClient, defineChain, http, publicActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const given = JSON.parse(readFileSync(process.argv[2], "utf8"));
const network = `eip155:${given.chainId}`;
const chain = defineChain({
  id: given.chainId,
  name: "local",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [given.rpc] } },
});
const account = privateKeyToAccount(given.relayerKey);
const wallet = createWalletClient({ account, chain, transport: http(given.rpc) }).extend(publicActions);
const signer = toFacilitatorEvmSigner({
  address: account.address,
  getCode: (args) => wallet.getCode(args),
  readContract: (args) => wallet.readContract({ ...args, account, args: args.args ?? [] }),
  verifyTypedData: (args) => wallet.verifyTypedData(args),
  writeContract: (args) => wallet.writeContract(args),
  sendTransaction: (args) => wallet.sendTransaction(args),
  waitForTransactionReceipt: (args) => wallet.waitForTransactionReceipt(args),
});
const facilitator = new x402Facilitator().register(network, new Facilitator(signer));

const storage = new InMemoryChannelStorage();
const now = Date.now();
for (const row of given.channels) {
  const channel = {
    channelId: row.channelId, channelConfig: row.channelConfig, chargedCumulativeAmount: "0", signedMaxClaimable: "0",
    signature: "0x", balance: given.balance, totalClaimed: "0", withdrawRequestedAt: 0, refundNonce: 0,
    onchainSyncedAt: now, lastRequestTimestamp: now,
  };
  await storage.updateChannel(row.channelId, () => channel);
}
const operator = privateKeyToAccount(given.operatorKey);
const scheme = new BatchSettlementEvmScheme(given.receiver, {
  storage, withdrawDelay: given.withdrawDelay, onchainStateTtlMs: 24 * 3_600_000,
  receiverAuthorizerSigner: { address: operator.address, signTypedData: (message) => operator.signTypedData(message) },
});
const price = { amount: given.price, asset: given.usdc, extra: { name: "USD Coin", version: "2" } };
const accepts = { scheme: "batch-settlement", payTo: given.receiver, price, network, maxTimeoutSeconds: 3600 };
const resources = new x402ResourceServer(facilitator).register(network, scheme);
const paid = new x402HTTPResourceServer(resources, { "GET /paid": { accepts } });
await paid.initialize();

const ANSWER = Buffer.from(JSON.stringify({ answer: 42 }));

async function answer(request) {
  const adapter = {
    getHeader: (name) => request.headers[name.toLowerCase()],
    getMethod: () => request.method,
    getPath: () => request.url,
    getUrl: () => `http://127.0.0.1:${given.port}${request.url}`,
    getAcceptHeader: () => request.headers.accept ?? "",
    getUserAgent: () => request.headers["user-agent"] ?? "",
  };
  const asked = { adapter, path: request.url, method: request.method };
  asked.paymentHeader = request.headers["payment-signature"];
  const found = await paid.processHTTPRequest(asked);
  if (found.type === "no-payment-required") return { status: 404, headers: {}, body: Buffer.alloc(0) };
  if (found.type === "payment-error") {
    const { status, headers, body } = found.response;
    return { status, headers, body: Buffer.from(JSON.stringify(body ?? {})) };
  }
  const settled = await paid.processSettlement(
    found.paymentPayload, found.paymentRequirements, found.declaredExtensions, { request: asked, responseBody: ANSWER },
  );
  if (settled.success) return { status: 200, headers: settled.headers, body: ANSWER };
  return { status: settled.response.status, headers: settled.headers, body: Buffer.from(settled.errorReason) };
}

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  answer(request).then(
    ({ status, headers, body }) => response.writeHead(status, { ...headers, "content-length": body.length }).end(body),
    (error) => {
      const body = Buffer.from(String(error));
      response.writeHead(500, { "content-length": body.length }).end(body);
    },
  );
});
server.listen(given.port, "127.0.0.1");
