import { type Chain, defineChain } from 'viem'
import { type Connector, createConfig, http, injected } from 'wagmi'
import type { NetworkOut } from '@/api/types'

/** The deployment's chain, as a wallet that does not know it must be told (EIP-3085). */
export const chainOf = (network: NetworkOut): Chain =>
  defineChain({
    id: network.chain_id,
    name: network.name,
    // wallets take no other number of decimals
    nativeCurrency: { name: network.currency, symbol: network.currency, decimals: 18 },
    rpcUrls: { default: { http: [network.rpc_url] } },
    ...(network.explorer ? { blockExplorers: { default: { name: 'Explorer', url: network.explorer } } } : {}),
    testnet: !network.public,
  })

/** Wallets injected into the page, found by EIP-6963; no relay, no third-party host. */
export function makeConfig(network: NetworkOut) {
  const chain = chainOf(network)
  return createConfig({
    chains: [chain],
    connectors: [injected()],
    transports: { [chain.id]: http(network.rpc_url) },
    multiInjectedProviderDiscovery: true,
  })
}

/** The plain injected provider is one of the announced wallets under another name, so it is offered only when none was announced. */
export function offeredConnectors(connectors: readonly Connector[]): Connector[] {
  const announced = connectors.filter((connector) => connector.type === 'injected' && connector.id !== 'injected')
  return announced.length > 0 ? announced : [...connectors]
}
