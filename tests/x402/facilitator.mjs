// The official TypeScript facilitator behind HTTP. Prints its port once it answers.
import { createServer } from "node:http";
import { x402Facilitator } from "@x402/core/facilitator";
import { toFacilitatorEvmSigner } from "@x402/evm";
import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/facilitator";
import { createWalletClient, defineChain, http, publicActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const { rpc, chainId, key } = JSON.parse(process.argv[2]);
const chain = defineChain({
  id: chainId,
  name: "local",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [rpc] } },
});
const account = privateKeyToAccount(key);
const wallet = createWalletClient({ account, chain, transport: http(rpc), pollingInterval: 20 }).extend(publicActions);
const signer = toFacilitatorEvmSigner({
  address: account.address,
  getCode: (args) => wallet.getCode(args),
  readContract: (args) => wallet.readContract({ ...args, account, args: args.args ?? [] }),
  verifyTypedData: (args) => wallet.verifyTypedData(args),
  writeContract: (args) => wallet.writeContract(args),
  sendTransaction: (args) => wallet.sendTransaction(args),
  waitForTransactionReceipt: (args) => wallet.waitForTransactionReceipt(args),
});
const facilitator = new x402Facilitator().register(`eip155:${chainId}`, new BatchSettlementEvmScheme(signer));

async function answer(request) {
  if (request.url === "/supported") return facilitator.getSupported();
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const { paymentPayload, paymentRequirements } = JSON.parse(Buffer.concat(chunks).toString());
  if (request.url === "/verify") return facilitator.verify(paymentPayload, paymentRequirements);
  return facilitator.settle(paymentPayload, paymentRequirements);
}

const server = createServer((request, response) => {
  answer(request).then(
    (body) => response.setHeader("Content-Type", "application/json").end(JSON.stringify(body)),
    (error) => response.writeHead(500, { "Content-Type": "application/json" }).end(JSON.stringify({ error: String(error) })),
  );
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
