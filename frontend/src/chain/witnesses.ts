import type { Outcome } from './stakes'

/* Whose word counts for a score: buyers as witnesses, weighed by the fees they have paid. See docs/Rules.md. */

export const PPM = 1_000_000n

export interface DealFields {
  escrow_id: string
  client: string
  provider: string
  outcome: string
  amount: string
  released: string
  refunded: string
  fee: string
  bonus: string
  accepted_at: number
  deliver_by: number
  submitted_at: number | null
  closed_at: number
  rating: number | null
}

/** A settled escrow with its amounts as integers and its accounts in lower case. */
export interface Deal {
  escrowId: string
  client: string
  provider: string
  outcome: Outcome
  amount: bigint
  released: bigint
  refunded: bigint
  fee: bigint
  bonus: bigint
  acceptedAt: number
  deliverBy: number
  submittedAt: number | null
  closedAt: number
  rating: number | null
}

export const dealOf = (fields: DealFields): Deal => ({
  escrowId: fields.escrow_id,
  client: fields.client.toLowerCase(),
  provider: fields.provider.toLowerCase(),
  outcome: fields.outcome as Outcome,
  amount: BigInt(fields.amount),
  released: BigInt(fields.released),
  refunded: BigInt(fields.refunded),
  fee: BigInt(fields.fee),
  bonus: BigInt(fields.bonus),
  acceptedAt: fields.accepted_at,
  deliverBy: fields.deliver_by,
  submittedAt: fields.submitted_at,
  closedAt: fields.closed_at,
  rating: fields.rating,
})

export interface RuleParameters {
  full_credit_units: string
  full_release_units: string
  pair_cap_units: string
  max_funded: string
  least_gift_units: string
}

export interface Market {
  parameters: RuleParameters
  groupOf: (account: string) => string
  credit: (group: string) => bigint
  paid: (buyer: string, agent: string) => bigint
  netPaid: (buyer: string, agent: string) => bigint
  isMain: (group: string) => boolean
}

class Groups {
  private readonly parent = new Map<string, string>()

  find(member: string): string {
    const above = this.parent.get(member)
    if (above === undefined) this.parent.set(member, member)
    if (above === undefined || above === member) return member
    const top = this.find(above)
    this.parent.set(member, top)
    return top
  }

  join(one: string, other: string): void {
    const [low, high] = [this.find(one), this.find(other)].sort() as [string, string]
    this.parent.set(high, low)
  }

  members(): string[] {
    return [...this.parent.keys()]
  }
}

function groupsOf(
  accounts: ReadonlySet<string>,
  funders: ReadonlyMap<string, string>,
  common: ReadonlySet<string>,
  maxFunded: number,
) {
  const groups = new Groups()
  const funded = new Map<string, number>()
  for (const [account, funder] of funders) if (accounts.has(account)) funded.set(funder, (funded.get(funder) ?? 0) + 1)
  for (const account of accounts) {
    groups.find(account)
    const funder = funders.get(account)
    if (funder !== undefined && !common.has(funder) && (funded.get(funder) ?? 0) <= maxFunded)
      groups.join(account, funder)
  }
  const names = new Map<string, string>()
  for (const account of [...accounts].sort())
    if (!names.has(groups.find(account))) names.set(groups.find(account), account)
  return new Map([...accounts].map((account) => [account, names.get(groups.find(account)) ?? account]))
}

const add = <Key>(sums: Map<Key, bigint>, key: Key, units: bigint) => sums.set(key, (sums.get(key) ?? 0n) + units)

/** Groups, credit, payments and the main part of a market, from every settled escrow of it. */
export function survey(
  deals: readonly Deal[],
  known: { funders: ReadonlyMap<string, string>; common: ReadonlySet<string>; parameters: RuleParameters },
): Market {
  const { parameters } = known
  const accounts = new Set(deals.flatMap((deal) => [deal.client, deal.provider]))
  const group = groupsOf(accounts, known.funders, known.common, Number(parameters.max_funded))
  const groupOf = (account: string) => group.get(account) ?? account
  const fees = new Map<string, bigint>()
  const paid = new Map<string, bigint>()
  const parts = new Groups()
  for (const deal of deals) {
    const [buyer, agent] = [groupOf(deal.client), groupOf(deal.provider)]
    add(fees, buyer, deal.fee > deal.bonus ? deal.fee - deal.bonus : 0n)
    add(paid, `${buyer} ${agent}`, deal.released)
    parts.join(buyer, agent)
  }
  const full = BigInt(parameters.full_credit_units)
  const credit = (buyer: string) => {
    const units = ((fees.get(buyer) ?? 0n) * PPM) / full
    return units < PPM ? units : PPM
  }
  const between = (buyer: string, agent: string) => paid.get(`${buyer} ${agent}`) ?? 0n
  const netPaid = (buyer: string, agent: string) => {
    const net = between(buyer, agent) - between(agent, buyer)
    return net > 0n ? net : 0n
  }
  const main = mainPart(parts, fees)
  return { parameters, groupOf, credit, paid: between, netPaid, isMain: (name) => parts.find(name) === main }
}

function mainPart(parts: Groups, fees: ReadonlyMap<string, bigint>): string | undefined {
  const total = new Map<string, bigint>()
  for (const member of parts.members()) add(total, parts.find(member), fees.get(member) ?? 0n)
  return [...total].sort(([a, x], [b, y]) => (x > y ? -1 : x < y ? 1 : a < b ? -1 : 1))[0]?.[0]
}
