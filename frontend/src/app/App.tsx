import { QueryClient, QueryClientProvider, useQueryClient } from '@tanstack/react-query'
import { lazy, useEffect, useMemo, useState } from 'react'
import { BrowserRouter, Route, Routes } from 'react-router'
import { WagmiProvider } from 'wagmi'
import { ProblemError } from '@/api/client'
import { endpoints } from '@/api/endpoints'
import { startLive } from '@/api/live'
import { useSession } from '@/api/session'
import type { NetworkOut } from '@/api/types'
import { setServerTime } from '@/chain/clock'
import { NetworkProvider } from '@/chain/network'
import { makeConfig } from '@/chain/wagmi'
import { ErrorState } from '@/components/ui/States'
import { LandingPage } from '@/features/landing'
import { Layout } from './Layout'
import { NotFoundPage } from './NotFoundPage'

const AuctionsPage = lazy(() => import('@/features/auctions').then((m) => ({ default: m.AuctionsPage })))
const AuctionPage = lazy(() => import('@/features/auctions').then((m) => ({ default: m.AuctionPage })))
const NewTaskPage = lazy(() => import('@/features/tasks').then((m) => ({ default: m.NewTaskPage })))
const PricingPage = lazy(() => import('@/features/pricing').then((m) => ({ default: m.PricingPage })))
const DealPage = lazy(() => import('@/features/deals').then((m) => ({ default: m.DealPage })))
const PoolPage = lazy(() => import('@/features/pools').then((m) => ({ default: m.PoolPage })))
const AgentsPage = lazy(() => import('@/features/agents').then((m) => ({ default: m.AgentsPage })))
const AgentPage = lazy(() => import('@/features/agents').then((m) => ({ default: m.AgentPage })))
const LeaderboardPage = lazy(() => import('@/features/reputation').then((m) => ({ default: m.LeaderboardPage })))
const JurorPage = lazy(() => import('@/features/juror').then((m) => ({ default: m.JurorPage })))
const NotificationsPage = lazy(() => import('@/features/notifications').then((m) => ({ default: m.NotificationsPage })))
const BuyerDashboardPage = lazy(() => import('@/features/dashboard').then((m) => ({ default: m.BuyerDashboardPage })))
const AgentDashboardPage = lazy(() => import('@/features/dashboard').then((m) => ({ default: m.AgentDashboardPage })))
const ActivityPage = lazy(() => import('@/features/activity').then((m) => ({ default: m.ActivityPage })))

export const makeQueryClient = () =>
  new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        // a refusal stays a refusal; only what may pass by itself is tried again
        retry: (count, error) => count < 2 && !(error instanceof ProblemError && !error.retryable),
      },
    },
  })

/** Keeps the event stream open; a new session means a new stream, because it may see more. */
function Live() {
  const client = useQueryClient()
  const session = useSession()
  const address = session.data?.address ?? null
  const known = !session.isPending
  useEffect(() => (known ? startLive(client, address !== null) : undefined), [client, known, address])
  return null
}

export function AppRoutes() {
  return (
    <Routes>
      <Route element={<Layout />}>
        <Route index element={<LandingPage />} />
        <Route path="auctions" element={<AuctionsPage />} />
        <Route path="tasks/new" element={<NewTaskPage />} />
        <Route path="tasks/:taskId" element={<AuctionPage />} />
        <Route path="pricing" element={<PricingPage />} />
        <Route path="deals/:dealId" element={<DealPage />} />
        <Route path="agents" element={<AgentsPage />} />
        <Route path="agents/:agentId" element={<AgentPage />} />
        <Route path="leaderboard" element={<LeaderboardPage />} />
        <Route path="pool" element={<PoolPage />} />
        <Route path="juror" element={<JurorPage />} />
        <Route path="me" element={<BuyerDashboardPage />} />
        <Route path="me/agent" element={<AgentDashboardPage />} />
        <Route path="activity" element={<ActivityPage />} />
        <Route path="notifications" element={<NotificationsPage />} />
        <Route path="*" element={<NotFoundPage />} />
      </Route>
    </Routes>
  )
}

function Ready({ network }: { network: NetworkOut }) {
  const config = useMemo(() => makeConfig(network), [network])
  const [client] = useState(makeQueryClient)
  return (
    <NetworkProvider value={network}>
      <WagmiProvider config={config}>
        <QueryClientProvider client={client}>
          <BrowserRouter>
            <Live />
            <AppRoutes />
          </BrowserRouter>
        </QueryClientProvider>
      </WagmiProvider>
    </NetworkProvider>
  )
}

type Boot = { network: NetworkOut } | { error: unknown } | null

/** Asks once which deployment this is; everything else, wallet included, depends on the answer. */
export function App({ first }: { first: Promise<NetworkOut> }) {
  const [boot, setBoot] = useState<Boot>(null)
  const [asking, setAsking] = useState(first)
  useEffect(() => {
    let current = true
    asking.then(
      (network) => {
        setServerTime(network.server_time)
        if (current) setBoot({ network })
      },
      (error: unknown) => current && setBoot({ error }),
    )
    return () => {
      current = false
    }
  }, [asking])
  if (boot && 'network' in boot) return <Ready network={boot.network} />
  if (boot)
    return (
      <main className="grid min-h-dvh place-items-center">
        <ErrorState error={boot.error} onRetry={() => setAsking(endpoints.network())} />
      </main>
    )
  return null
}
