import type { Hex } from 'viem'
import { sha256Hex } from '@/chain/canonical'
import { api, ProblemError, unwrap } from './client'
import type { components, paths } from './schema'
import type { DealRole, FileOut, Measure } from './types'

type S = components['schemas']
type TaskQuery = NonNullable<paths['/api/v1/tasks']['get']['parameters']['query']>

/** Every call of the HTTP API that the page makes, by subject. */
export const endpoints = {
  network: () => unwrap(api.GET('/api/v1/network')),
  status: () => unwrap(api.GET('/api/v1/network/status')),
  totals: () => unwrap(api.GET('/api/v1/network/totals')),

  nonce: () => unwrap(api.POST('/api/v1/auth/nonce')),
  verify: (body: { message: string; signature: string }) =>
    unwrap(api.POST('/api/v1/auth/verify', { body: { ...body, use: 'cookie', scopes: ['bid', 'deliver', 'read'] } })),
  session: () =>
    unwrap(api.GET('/api/v1/auth/session')).catch((error: unknown) => {
      if (error instanceof ProblemError && error.status === 401) return null
      throw error
    }),
  logout: () => unwrap(api.POST('/api/v1/auth/logout')),
  ticket: () => unwrap(api.POST('/api/v1/auth/ws-ticket')),

  tasks: (query: TaskQuery) => unwrap(api.GET('/api/v1/tasks', { params: { query } })),
  task: (task_id: string) => unwrap(api.GET('/api/v1/tasks/{task_id}', { params: { path: { task_id } } })),
  bids: (task_id: string) => unwrap(api.GET('/api/v1/tasks/{task_id}/bids', { params: { path: { task_id } } })),
  offers: (task_id: string) => unwrap(api.GET('/api/v1/tasks/{task_id}/offers', { params: { path: { task_id } } })),
  declineOffer: (task_id: string) =>
    unwrap(api.POST('/api/v1/tasks/{task_id}/offer/decline', { params: { path: { task_id } } })),
  commits: (task_id: string) => unwrap(api.GET('/api/v1/tasks/{task_id}/commits', { params: { path: { task_id } } })),
  placeBid: (task_id: string, body: S['BidIn']) =>
    unwrap(api.POST('/api/v1/tasks/{task_id}/bids', { params: { path: { task_id } }, body })),
  withdrawBid: (task_id: string, bid_hash: string, body: S['BidWithdrawalIn']) =>
    unwrap(
      api.POST('/api/v1/tasks/{task_id}/bids/{bid_hash}/withdraw', { params: { path: { task_id, bid_hash } }, body }),
    ),
  commitBid: (task_id: string, body: S['CommitIn']) =>
    unwrap(api.POST('/api/v1/tasks/{task_id}/commits', { params: { path: { task_id } }, body })),
  revealBid: (task_id: string, bid_hash: string, body: S['BidIn']) =>
    unwrap(
      api.POST('/api/v1/tasks/{task_id}/commits/{bid_hash}/reveal', { params: { path: { task_id, bid_hash } }, body }),
    ),
  withdrawCommit: (task_id: string, bid_hash: string, body: S['BidWithdrawalIn']) =>
    unwrap(
      api.POST('/api/v1/tasks/{task_id}/commits/{bid_hash}/withdraw', {
        params: { path: { task_id, bid_hash } },
        body,
      }),
    ),
  taskOrder: (task_id: string) => unwrap(api.GET('/api/v1/tasks/{task_id}/order', { params: { path: { task_id } } })),
  giveOrder: (task_id: string, body: S['TaskOrderIn']) =>
    unwrap(api.POST('/api/v1/tasks/{task_id}/order', { params: { path: { task_id } }, body })),
  taskHistory: (task_id: string) =>
    unwrap(api.GET('/api/v1/tasks/{task_id}/history', { params: { path: { task_id } } })),
  awards: (task_id: string) => unwrap(api.GET('/api/v1/tasks/{task_id}/awards', { params: { path: { task_id } } })),
  awardRecord: (task_id: string) =>
    unwrap(api.GET('/api/v1/tasks/{task_id}/award/record', { params: { path: { task_id } } })),
  estimate: (body: S['EstimateIn']) => unwrap(api.POST('/api/v1/pricing/estimate', { body })),
  submitTask: (body: S['TaskIn']) => unwrap(api.POST('/api/v1/tasks/submit', { body })),
  cancelTask: (task_id: string) =>
    unwrap(api.POST('/api/v1/tasks/{task_id}/cancel', { params: { path: { task_id } } })),
  award: (task_id: string, bid_hash: string | null) =>
    unwrap(api.POST('/api/v1/tasks/{task_id}/award', { params: { path: { task_id } }, body: { bid_hash } })),

  deals: (query: { role?: DealRole; live?: boolean; cursor?: string; limit?: number }) =>
    unwrap(api.GET('/api/v1/deals', { params: { query } })),
  deal: (deal_id: string, session_key?: string) =>
    unwrap(api.GET('/api/v1/deals/{deal_id}', { params: { path: { deal_id }, query: { session_key } } })),
  timeline: (deal_id: string) => unwrap(api.GET('/api/v1/deals/{deal_id}/timeline', { params: { path: { deal_id } } })),
  authorize: (deal_id: string, body: S['AuthorizationIn']) =>
    unwrap(api.POST('/api/v1/deals/{deal_id}/authorization', { params: { path: { deal_id } }, body })),
  release: (deal_id: string, body: S['ReleaseIn']) =>
    unwrap(api.POST('/api/v1/deals/{deal_id}/release', { params: { path: { deal_id } }, body })),
  cancelDeal: (deal_id: string, body: S['CancellationIn']) =>
    unwrap(api.POST('/api/v1/deals/{deal_id}/cancellation', { params: { path: { deal_id } }, body })),
  refundDeal: (deal_id: string, body: S['RefundIn']) =>
    unwrap(api.POST('/api/v1/deals/{deal_id}/refund', { params: { path: { deal_id } }, body })),
  disputeDeal: (deal_id: string, body: S['DisputeIn']) =>
    unwrap(api.POST('/api/v1/deals/{deal_id}/dispute', { params: { path: { deal_id } }, body })),
  respondDeal: (deal_id: string, body: S['ResponseIn']) =>
    unwrap(api.POST('/api/v1/deals/{deal_id}/response', { params: { path: { deal_id } }, body })),
  payAppeal: (deal_id: string, body: S['AppealPaymentIn']) =>
    unwrap(api.POST('/api/v1/deals/{deal_id}/appeal', { params: { path: { deal_id } }, body })),
  offerSplit: (deal_id: string, body: S['SplitOfferIn']) =>
    unwrap(api.POST('/api/v1/deals/{deal_id}/split-offers', { params: { path: { deal_id } }, body })),
  acceptSplit: (deal_id: string, offer_id: string, body: S['SplitAcceptanceIn']) =>
    unwrap(
      api.POST('/api/v1/deals/{deal_id}/split-offers/{offer_id}/acceptance', {
        params: { path: { deal_id, offer_id } },
        body,
      }),
    ),
  signRelease: (deal_id: string, body: S['ReleaseSignatureIn']) =>
    unwrap(api.POST('/api/v1/deals/{deal_id}/release-signatures', { params: { path: { deal_id } }, body })),
  rateDeal: (deal_id: string, body: S['RatingIn']) =>
    unwrap(api.POST('/api/v1/deals/{deal_id}/rating', { params: { path: { deal_id } }, body })),
  order: (deal_id: string, body: S['OrderIn']) =>
    unwrap(api.POST('/api/v1/deals/{deal_id}/order', { params: { path: { deal_id } }, body })),
  verdict: (deal_id: string, body: S['VerdictIn']) =>
    unwrap(api.POST('/api/v1/deals/{deal_id}/verdict', { params: { path: { deal_id } }, body })),

  case: (dispute_id: string) => unwrap(api.GET('/api/v1/disputes/{dispute_id}', { params: { path: { dispute_id } } })),

  pools: () => unwrap(api.GET('/api/v1/pools')),
  depositPool: (body: S['PoolDepositIn']) => unwrap(api.POST('/api/v1/pools/deposit', { body })),
  withdrawPool: (pool_id: string, body: S['PoolWithdrawIn']) =>
    unwrap(api.POST('/api/v1/pools/{pool_id}/withdrawal', { params: { path: { pool_id } }, body })),
  movePool: (pool_id: string, body: S['PoolMoveIn']) =>
    unwrap(api.POST('/api/v1/pools/{pool_id}/move', { params: { path: { pool_id } }, body })),
  warnOfPool: (pool_id: string, below_units: string | null) =>
    unwrap(api.POST('/api/v1/pools/{pool_id}/warning', { params: { path: { pool_id } }, body: { below_units } })),
  receipts: (query: { deal_id?: string; limit?: number }) => unwrap(api.GET('/api/v1/receipts', { params: { query } })),

  balances: (address: string) =>
    unwrap(api.GET('/api/v1/accounts/{address}/balances', { params: { path: { address } } })),
  withdraw: (body: S['WithdrawalIn']) => unwrap(api.POST('/api/v1/withdrawals', { body })),
  faucet: (amount_units: string) => unwrap(api.POST('/api/v1/wallet/faucet', { body: { amount_units } })),
  transactions: (query: { cursor?: string; limit?: number }) =>
    unwrap(api.GET('/api/v1/transactions', { params: { query } })),

  notifications: (query: { unread?: boolean; cursor?: string; limit?: number }) =>
    unwrap(api.GET('/api/v1/notifications', { params: { query } })),
  unread: () => unwrap(api.GET('/api/v1/notifications/unread')),
  markRead: (body: S['ReadIn']) => unwrap(api.POST('/api/v1/notifications/read', { body })),
  mailbox: () => unwrap(api.GET('/api/v1/notifications/mailbox')),
  setMailbox: (body: S['MailboxIn']) => unwrap(api.POST('/api/v1/notifications/mailbox', { body })),
  confirmMailbox: (code: string) => unwrap(api.POST('/api/v1/notifications/mailbox/confirm', { body: { code } })),
  deleteMailbox: () => unwrap(api.DELETE('/api/v1/notifications/mailbox')),
  webhooks: () => unwrap(api.GET('/api/v1/webhooks')),
  addWebhook: (body: S['WebhookIn']) => unwrap(api.POST('/api/v1/webhooks', { body })),
  deleteWebhook: (webhook_id: string) =>
    unwrap(api.DELETE('/api/v1/webhooks/{webhook_id}', { params: { path: { webhook_id } } })),
  pingWebhook: (webhook_id: string) =>
    unwrap(api.POST('/api/v1/webhooks/{webhook_id}/ping', { params: { path: { webhook_id } } })),
  dispatches: (webhook_id: string, query: { cursor?: string; limit?: number }) =>
    unwrap(api.GET('/api/v1/webhooks/{webhook_id}/dispatches', { params: { path: { webhook_id }, query } })),
  sendAgain: (webhook_id: string, dispatch_id: string) =>
    unwrap(
      api.POST('/api/v1/webhooks/{webhook_id}/dispatches/{dispatch_id}/again', {
        params: { path: { webhook_id, dispatch_id } },
      }),
    ),
  agentsAvailable: (capability?: string) =>
    unwrap(api.GET('/api/v1/agents/available', { params: { query: { capability } } })),
  agents: (query: { capability?: string; cursor?: string; limit?: number }) =>
    unwrap(api.GET('/api/v1/agents', { params: { query } })),
  agent: (agent_id: string) => unwrap(api.GET('/api/v1/agents/{agent_id}', { params: { path: { agent_id } } })),
  breakers: () => unwrap(api.GET('/api/v1/circuit-breaker/health')),

  reputation: (agent_id: string) =>
    unwrap(api.GET('/api/v1/agents/{agent_id}/reputation', { params: { path: { agent_id } } })),
  reputationHistory: (agent_id: string, query: { cursor?: string; limit?: number }) =>
    unwrap(api.GET('/api/v1/agents/{agent_id}/reputation/history', { params: { path: { agent_id }, query } })),
  vouches: (agent_id: string) =>
    unwrap(api.GET('/api/v1/agents/{agent_id}/vouches', { params: { path: { agent_id } } })),
  vouch: (agent_id: string, body: S['VouchIn']) =>
    unwrap(api.POST('/api/v1/agents/{agent_id}/vouches', { params: { path: { agent_id } }, body })),
  leaderboard: (query: {
    by?: Measure
    specialty?: string
    tier?: S['Tier']
    min_jobs?: number
    capability?: string
    cursor?: string
    limit?: number
  }) => unwrap(api.GET('/api/v1/reputation/leaderboard', { params: { query } })),
  epochs: (query: { limit?: number }) => unwrap(api.GET('/api/v1/reputation/epochs', { params: { query } })),
  buyerDashboard: (account: string) =>
    unwrap(api.GET('/api/v1/buyer/{account}/dashboard', { params: { path: { account } } })),
  agentDashboard: (name: string) => unwrap(api.GET('/api/v1/agent/{name}/dashboard', { params: { path: { name } } })),
  scoreFile: (epoch: number) => unwrap(api.GET('/api/v1/reputation/epochs/{epoch}', { params: { path: { epoch } } })),
}

/** Uploads a file and checks that what was stored is what was chosen. */
export async function uploadFile(file: File): Promise<FileOut> {
  const body = new FormData()
  body.append('file', file)
  const [stored, hash] = await Promise.all([
    unwrap<FileOut>(
      fetch('/api/v1/files', { method: 'POST', body, credentials: 'same-origin' }).then(async (response) => ({
        response,
        ...(response.ok ? { data: await response.json() } : { error: await response.json().catch(() => ({})) }),
      })),
    ),
    file.arrayBuffer().then(sha256Hex),
  ])
  if (stored.sha256 !== hash) throw new Error(`${file.name} arrived changed; upload it again.`)
  return stored
}

/** The bytes of a stored file with the hash they really have. */
export async function fetchFile(sha256: string): Promise<{ bytes: ArrayBuffer; hash: Hex }> {
  const response = await fetch(`/api/v1/files/${sha256}`, { credentials: 'same-origin' })
  if (!response.ok) throw new ProblemError(response.status, await response.json().catch(() => ({})))
  const bytes = await response.arrayBuffer()
  return { bytes, hash: await sha256Hex(bytes) }
}
