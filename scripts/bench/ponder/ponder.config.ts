import { createConfig } from 'ponder'
import { escrowAbi, paymentChannelAbi } from '../../../frontend/src/abi/generated'

const wanted = (name: string): string => {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set`)
  return value
}

const startBlock = Number(wanted('BENCH_START_BLOCK'))

export default createConfig({
  database: { kind: 'postgres', connectionString: wanted('DATABASE_URL') },
  chains: { local: { id: Number(wanted('BENCH_CHAIN_ID')), rpc: wanted('BENCH_RPC_URL'), maxRequestsPerSecond: 100_000 } },
  contracts: {
    Escrow: { chain: 'local', abi: escrowAbi, address: wanted('BENCH_ESCROW') as `0x${string}`, startBlock },
    PaymentChannel: {
      chain: 'local',
      abi: paymentChannelAbi,
      address: wanted('BENCH_PAYMENT_CHANNEL') as `0x${string}`,
      startBlock,
    },
  },
})
