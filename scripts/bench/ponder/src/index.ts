import { ponder } from 'ponder:registry'
import { activity, balance, channel, escrow, pool, receiver } from 'ponder:schema'
import type { Context, Event } from 'ponder:registry'

type Hex = `0x${string}`

// One insert for the event and one write of the thing it changes.
async function note(event: Event, context: Context, kind: string, subject: Hex, amountUnits: bigint) {
  await context.db.insert(activity).values({
    id: event.id,
    kind,
    subject,
    amountUnits,
    block: event.block.number,
    time: event.block.timestamp,
    transaction: event.transaction.hash,
    logIndex: event.log.logIndex,
  })
}

ponder.on('Escrow:EscrowFunded', async ({ event, context }) => {
  const { id, client, provider, terms } = event.args
  await note(event, context, 'funded', id, terms.amount)
  await context.db.insert(escrow).values({
    id,
    client,
    provider,
    status: 'funded',
    amountUnits: terms.amount,
    stakeUnits: 0n,
    releasedUnits: 0n,
    feeUnits: 0n,
    block: event.block.number,
  })
})

ponder.on('Escrow:EscrowAccepted', async ({ event, context }) => {
  const { id, stake } = event.args
  await note(event, context, 'accepted', id, stake)
  await context.db.update(escrow, { id }).set({ status: 'accepted', stakeUnits: stake, block: event.block.number })
})

ponder.on('Escrow:WorkSubmitted', async ({ event, context }) => {
  const { id, deliverableHash } = event.args
  await note(event, context, 'submitted', id, 0n)
  await context.db.update(escrow, { id }).set({ status: 'submitted', deliverableHash, block: event.block.number })
})

ponder.on('Escrow:EscrowReleased', async ({ event, context }) => {
  const { id, amount, fee } = event.args
  await note(event, context, 'released', id, amount)
  await context.db.update(escrow, { id }).set((row) => ({
    releasedUnits: row.releasedUnits + amount,
    feeUnits: row.feeUnits + fee,
    block: event.block.number,
  }))
})

ponder.on('Escrow:EscrowClosed', async ({ event, context }) => {
  const { id } = event.args
  await note(event, context, 'closed', id, 0n)
  await context.db.update(escrow, { id }).set({ status: 'closed', block: event.block.number })
})

ponder.on('Escrow:Withdrawn', async ({ event, context }) => {
  const { account, amount } = event.args
  await note(event, context, 'withdrawn', account, amount)
  await context.db
    .insert(balance)
    .values({ id: account, withdrawnUnits: amount, block: event.block.number })
    .onConflictDoUpdate((row) => ({ withdrawnUnits: row.withdrawnUnits + amount, block: event.block.number }))
})

ponder.on('PaymentChannel:PoolDeposited', async ({ event, context }) => {
  const { poolId, payer, operator, amount } = event.args
  await note(event, context, 'pool_deposited', poolId, amount)
  await context.db
    .insert(pool)
    .values({ id: poolId, payer, operator, balanceUnits: event.args.balance, drawnUnits: 0n, block: event.block.number })
    .onConflictDoUpdate({ balanceUnits: event.args.balance, block: event.block.number })
})

ponder.on('PaymentChannel:PoolDrawn', async ({ event, context }) => {
  const { poolId, amount } = event.args
  await note(event, context, 'pool_drawn', poolId, amount)
  await context.db.update(pool, { id: poolId }).set((row) => ({
    balanceUnits: row.balanceUnits - amount,
    drawnUnits: row.drawnUnits + amount,
    block: event.block.number,
  }))
})

ponder.on('PaymentChannel:ChannelCreated', async ({ event, context }) => {
  const { channelId, config } = event.args
  await note(event, context, 'channel_created', channelId, 0n)
  await context.db.insert(channel).values({
    id: channelId,
    payer: config.payer,
    receiver: config.receiver,
    totalClaimedUnits: 0n,
    block: event.block.number,
  })
})

ponder.on('PaymentChannel:Claimed', async ({ event, context }) => {
  const { channelId, claimAmount, newTotalClaimed } = event.args
  await note(event, context, 'channel_claimed', channelId, claimAmount)
  await context.db
    .update(channel, { id: channelId })
    .set({ totalClaimedUnits: newTotalClaimed, block: event.block.number })
})

ponder.on('PaymentChannel:Settled', async ({ event, context }) => {
  const { receiver: account, amount } = event.args
  await note(event, context, 'settled', account, amount)
  await context.db
    .insert(receiver)
    .values({ id: account, settledUnits: amount, block: event.block.number })
    .onConflictDoUpdate((row) => ({ settledUnits: row.settledUnits + amount, block: event.block.number }))
})
