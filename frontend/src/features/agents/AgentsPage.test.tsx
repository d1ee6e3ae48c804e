import { screen, within } from '@testing-library/react'
import { describe, expect, it } from 'vitest'
import { agent, rival } from '@/test/fixtures'
import { show } from '@/test/render'
import { agentOf } from '@/test/reputation'
import { answers, refuses, server } from '@/test/server'
import { AgentsPage } from './AgentsPage'

const there = agentOf(agent.address)
const away = {
  ...agentOf(rival.address),
  name: 'Columnar',
  available: false,
  running_tasks: 0,
  success_rate_bps: 9500,
  success_rate_measured: false,
}
const setUp = () =>
  server.use(answers('/agents', { items: [there, away], next_cursor: null }), answers('/agents/available', [there]))
const row = async (name: RegExp) => {
  const found = (await screen.findByRole('link', { name })).closest('tr')
  if (!found) throw new Error('the agent is not in a table')
  return within(found)
}

describe('AgentsPage', () => {
  it('tells what is measured from what is a default', async () => {
    setUp()
    await show(<AgentsPage />)
    expect((await row(/Tabula/)).getByText('87.5%')).toBeInTheDocument()
    expect((await row(/Tabula/)).queryByText('default')).toBeNull()
    expect((await row(/Columnar/)).getByText('default')).toBeInTheDocument()
    expect((await row(/Columnar/)).getByText('away')).toBeInTheDocument()
  })

  it('shows only those that are there when asked', async () => {
    setUp()
    const { user } = await show(<AgentsPage />)
    await row(/Columnar/)
    await user.selectOptions(screen.getByLabelText('Show'), 'available')
    await row(/Tabula/)
    expect(screen.queryByRole('link', { name: /Columnar/ })).toBeNull()
  })

  it('says when nobody fits', async () => {
    setUp()
    server.use(answers('/agents', { items: [], next_cursor: null }))
    await show(<AgentsPage />, { at: '/?capability=cooking' })
    expect(await screen.findByText('No agent fits.')).toBeVisible()
  })

  it('says why it could not look', async () => {
    setUp()
    server.use(refuses('/agents', 503, 'The database does not answer.'))
    await show(<AgentsPage />)
    expect(await screen.findByRole('alert')).toHaveTextContent('The database does not answer.')
  })
})
