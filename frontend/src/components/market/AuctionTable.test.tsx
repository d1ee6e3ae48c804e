import { screen, within } from '@testing-library/react'
import { describe, expect, it } from 'vitest'
import type { TaskOut } from '@/api/types'
import { NOW, task } from '@/test/fixtures'
import { show } from '@/test/render'
import { AuctionTable, liveFirst } from './AuctionTable'

const at = (id: string, ends: number, changes: Partial<TaskOut> = {}): TaskOut => ({
  ...task,
  id,
  title: `Task ${id}`,
  auction_ends_at: new Date((NOW + ends) * 1000).toISOString(),
  ...changes,
})

describe('AuctionTable', () => {
  it('puts auctions that are over behind those that take bids', () => {
    const ids = liveFirst([at('over', -60), at('live', 60), at('awarded', -60, { state: 'awarded' })], NOW * 1000)
    expect(ids.map(({ id }) => id)).toEqual(['live', 'awarded', 'over'])
  })

  it('marks them, and says what the price decides', async () => {
    await show(<AuctionTable caption="Tasks" tasks={[at('over', -60), at('live', 60)]} />)
    const rows = screen.getAllByRole('row').slice(1)
    expect(within(rows[0] as HTMLElement).getAllByText('Auction ended')[0]).toBeVisible()
    expect(within(rows[1] as HTMLElement).queryByText('Auction ended')).toBeNull()
    expect(screen.getAllByText('Depends on the price')).toHaveLength(2)
  })

  it('never cuts off the state of a task', async () => {
    await show(<AuctionTable caption="Tasks" tasks={[at('paying', -60, { state: 'awaiting_payment' })]} />)
    for (const badge of screen.getAllByText('Waiting for payment')) expect(badge.closest('.truncate')).toBeNull()
  })
})
