import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { render } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import type { ReactNode } from 'react'
import { MemoryRouter, Route, Routes } from 'react-router'
import type { Address } from 'viem'
import { createConfig, custom, mock, WagmiProvider } from 'wagmi'
import { connect } from 'wagmi/actions'
import type { NetworkOut } from '@/api/types'
import { NetworkProvider } from '@/chain/network'
import { chainOf } from '@/chain/wagmi'
import { SignSheetHost } from '@/components/web3/SignSheet'
import { buyer, network as usual } from './fixtures'

interface Options {
  path?: string
  at?: string | { pathname: string; state: unknown }
  features?: Parameters<typeof mock>[0]['features']
  connected?: boolean
  network?: NetworkOut
  /** Whose wallet is connected. */
  account?: Address
  /** The node: what it answers to JSON-RPC. */
  rpc?: (request: { method: string; params?: unknown }) => Promise<unknown>
}

/** Renders inside everything a page expects: network, a mock wallet holding one address, queries, a route. */
export async function show(ui: ReactNode, options: Options = {}) {
  const { path = '*', at = '/', features, connected = false, network = usual, account = buyer.address } = options
  const { rpc = async () => null } = options
  // whether there is a session is then up to the mocked service
  localStorage.setItem('aicp.signed-in', account)
  const chain = chainOf(network)
  const config = createConfig({
    chains: [chain],
    connectors: [mock({ accounts: [account], features })],
    transports: { [chain.id]: custom({ request: rpc }) },
    storage: null,
    multiInjectedProviderDiscovery: false,
  })
  const connector = config.connectors[0]
  if (connected && connector) await connect(config, { connector, chainId: chain.id })
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } })
  const view = render(
    <NetworkProvider value={network}>
      <WagmiProvider config={config} reconnectOnMount={false}>
        <QueryClientProvider client={client}>
          <MemoryRouter initialEntries={[at]}>
            <Routes>
              <Route path={path} element={ui} />
              <Route path="*" element={<p>another page</p>} />
            </Routes>
            <SignSheetHost />
          </MemoryRouter>
        </QueryClientProvider>
      </WagmiProvider>
    </NetworkProvider>,
  )
  return { ...view, user: userEvent.setup(), client, config }
}
