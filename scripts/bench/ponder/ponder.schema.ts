import { index, onchainTable } from 'ponder'

// One row an event and one a thing, as in our mirror: an escrow, a channel, a pool, a receiver, a balance.

export const escrow = onchainTable('escrow', (t) => ({
  id: t.hex().primaryKey(),
  client: t.hex().notNull(),
  provider: t.hex().notNull(),
  status: t.text().notNull(),
  amountUnits: t.bigint().notNull(),
  stakeUnits: t.bigint().notNull(),
  releasedUnits: t.bigint().notNull(),
  feeUnits: t.bigint().notNull(),
  deliverableHash: t.hex(),
  block: t.bigint().notNull(),
}))

export const channel = onchainTable('channel', (t) => ({
  id: t.hex().primaryKey(),
  payer: t.hex().notNull(),
  receiver: t.hex().notNull(),
  totalClaimedUnits: t.bigint().notNull(),
  block: t.bigint().notNull(),
}))

export const pool = onchainTable('pool', (t) => ({
  id: t.hex().primaryKey(),
  payer: t.hex().notNull(),
  operator: t.hex().notNull(),
  balanceUnits: t.bigint().notNull(),
  drawnUnits: t.bigint().notNull(),
  block: t.bigint().notNull(),
}))

export const receiver = onchainTable('receiver', (t) => ({
  id: t.hex().primaryKey(),
  settledUnits: t.bigint().notNull(),
  block: t.bigint().notNull(),
}))

export const balance = onchainTable('balance', (t) => ({
  id: t.hex().primaryKey(),
  withdrawnUnits: t.bigint().notNull(),
  block: t.bigint().notNull(),
}))

export const activity = onchainTable(
  'activity',
  (t) => ({
    id: t.text().primaryKey(),
    kind: t.text().notNull(),
    subject: t.hex().notNull(),
    amountUnits: t.bigint().notNull(),
    block: t.bigint().notNull(),
    time: t.bigint().notNull(),
    transaction: t.hex().notNull(),
    logIndex: t.integer().notNull(),
  }),
  (table) => ({ subjectIdx: index().on(table.subject) }),
)
