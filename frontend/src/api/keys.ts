/** Query keys: the first element names the subject, so that one call invalidates all of it. */
export const keys = {
  session: ['session'] as const,
  status: ['status'] as const,
  totals: ['totals'] as const,
  tasks: (filter?: object) => (filter ? (['tasks', filter] as const) : (['tasks'] as const)),
  task: (id: string) => ['task', id] as const,
  bids: (id: string) => ['bids', id] as const,
  deals: (filter?: object) => (filter ? (['deals', filter] as const) : (['deals'] as const)),
  deal: (id: string) => ['deal', id] as const,
  timeline: (id: string) => ['timeline', id] as const,
  pools: ['pools'] as const,
  sessionKey: ['session-key'] as const,
  receipts: (filter?: object) => (filter ? (['receipts', filter] as const) : (['receipts'] as const)),
  balances: (address?: string) => (address ? (['balances', address] as const) : (['balances'] as const)),
  transactions: ['transactions'] as const,
  deposit: (payer: string) => ['transactions', 'deposit', payer] as const,
  agents: ['agents'] as const,
}
