import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { render } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import type { ReactNode } from 'react'
import { MemoryRouter, Route, Routes } from 'react-router'
import { createConfig, custom, mock, WagmiProvider } from 'wagmi'
import { connect } from 'wagmi/actions'
import { NetworkProvider } from '@/chain/network'
import { chainOf } from '@/chain/wagmi'
import { SignSheetHost } from '@/components/web3/SignSheet'
import { buyer, network } from './fixtures'

interface Options {
  path?: string
  at?: string
  features?: Parameters<typeof mock>[0]['features']
  connected?: boolean
}

/** Renders inside everything a page expects: network, a mock wallet holding the buyer's address, queries, a route. */
export async function show(ui: ReactNode, { path = '*', at = '/', features, connected = false }: Options = {}) {
  // whether there is a session is then up to the mocked service
  localStorage.setItem('aicp.signed-in', buyer.address)
  const chain = chainOf(network)
  const config = createConfig({
    chains: [chain],
    connectors: [mock({ accounts: [buyer.address], features })],
    transports: { [chain.id]: custom({ request: async () => null }) },
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
