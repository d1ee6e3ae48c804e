// Digests by the official TypeScript package: a JSON array of cases in, a JSON array of digests out.
import { readFileSync } from "node:fs";
import { BATCH_SETTLEMENT_ADDRESS, BATCH_SETTLEMENT_DOMAIN, claimBatchTypes, refundTypes, voucherTypes } from "@x402/evm";
import { computeChannelId } from "@x402/evm/batch-settlement/client";
import { hashTypedData } from "viem";

const chainId = Number(process.argv[2]);
const domain = { ...BATCH_SETTLEMENT_DOMAIN, chainId, verifyingContract: BATCH_SETTLEMENT_ADDRESS };
const hash = (types, primaryType, message) => hashTypedData({ domain, types, primaryType, message });

const digests = JSON.parse(readFileSync(0, "utf-8")).map(({ config, ceiling, nonce, amount, claims }) => {
  const channelId = computeChannelId(config, chainId);
  const entries = claims.map((claim) => ({
    channelId: computeChannelId(claim.config, chainId),
    maxClaimableAmount: BigInt(claim.ceiling),
    totalClaimed: BigInt(claim.total),
  }));
  return {
    channelId,
    voucher: hash(voucherTypes, "Voucher", { channelId, maxClaimableAmount: BigInt(ceiling) }),
    refund: hash(refundTypes, "Refund", { channelId, nonce: BigInt(nonce), amount: BigInt(amount) }),
    claimBatch: hash(claimBatchTypes, "ClaimBatch", { claims: entries }),
  };
});
process.stdout.write(JSON.stringify(digests));
