// The official TypeScript client. Reads one JSON command a line, answers one JSON line each.
//   {"pay": 50}                      -> deposits among the answers
//   {"refund": "1000"} {"refund": null}
//   {"initiate": "1000"} {"finalize": true}   the payer's own way out, sent by viem
import { createInterface } from "node:readline";
import { BatchSettlementEvmScheme, buildChannelConfig } from "@x402/evm/batch-settlement/client";
import { BATCH_SETTLEMENT_ADDRESS, toClientEvmSigner } from "@x402/evm";
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client, x402HTTPClient } from "@x402/fetch";
import { createWalletClient, defineChain, http, parseAbi, publicActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const { rpc, chainId, token, cap, key, sessionKey, url } = JSON.parse(process.argv[2]);
const network = `eip155:${chainId}`;
const chain = defineChain({
  id: chainId,
  name: "local",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [rpc] } },
});
const account = privateKeyToAccount(key);
const wallet = createWalletClient({ account, chain, transport: http(rpc), pollingInterval: 20 }).extend(publicActions);
const voucherSigner = privateKeyToAccount(sessionKey);
const signer = toClientEvmSigner(account, wallet);
const scheme = new BatchSettlementEvmScheme(signer, { voucherSigner, payerAuthorizer: voucherSigner.address });
const client = new x402Client().register(network, scheme);
client.setSpendControls({ allowedAssets: [{ network, asset: token, maxAmountPerPayment: cap }] });
const fetchPaid = wrapFetchWithPayment(fetch, client);

const CONFIG =
  "(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer,address token,uint40 withdrawDelay,bytes32 salt)";
const abi = parseAbi([
  `function initiateWithdraw(${CONFIG} config,uint128 amount)`,
  `function finalizeWithdraw(${CONFIG} config)`,
]);

async function pay(times) {
  const deposits = [];
  for (let i = 0; i < times; i++) {
    const response = await fetchPaid(url);
    if (response.status !== 200) {
      const required = response.headers.get("PAYMENT-REQUIRED") ?? response.headers.get("PAYMENT-RESPONSE");
      throw new Error(`${response.status} ${required && atob(required)}`);
    }
    const { transaction } = decodePaymentResponseHeader(response.headers.get("PAYMENT-RESPONSE"));
    if (transaction) deposits.push(transaction);
  }
  return deposits;
}

async function withdraw(functionName, amount) {
  const probe = await fetch(url);
  const required = new x402HTTPClient(client).getPaymentRequiredResponse((name) => probe.headers.get(name));
  const deps = { signer, voucherSigner, payerAuthorizer: voucherSigner.address, salt: `0x${"00".repeat(32)}` };
  const config = buildChannelConfig(deps, required.accepts[0]);
  const args = amount === undefined ? [config] : [config, BigInt(amount)];
  const hash = await wallet.writeContract({ address: BATCH_SETTLEMENT_ADDRESS, abi, functionName, args });
  const { status } = await wallet.waitForTransactionReceipt({ hash });
  return status;
}

async function answer(command) {
  if ("pay" in command) return pay(command.pay);
  if ("refund" in command) return (await scheme.refund(url, command.refund ? { amount: command.refund } : {})).success;
  if ("initiate" in command) return withdraw("initiateWithdraw", command.initiate);
  return withdraw("finalizeWithdraw");
}

for await (const line of createInterface({ input: process.stdin })) {
  let result;
  try {
    result = { result: await answer(JSON.parse(line)) };
  } catch (error) {
    result = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
