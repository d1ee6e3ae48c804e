import { screen, waitFor } from '@testing-library/react'
import { HttpResponse, http } from 'msw'
import { UserRejectedRequestError } from 'viem'
import { describe, expect, it, vi } from 'vitest'
import { buyer, network, session } from '@/test/fixtures'
import { show } from '@/test/render'
import { answers, refuses, server, takes } from '@/test/server'
import { ConnectDialogHost } from './ConnectDialog'
import { ConnectionButton } from './ConnectionButton'

const signedOut = () => server.use(refuses('/auth/session', 401, 'Sign in first.'))
const signedIn = () => server.use(answers('/auth/session', session))
const button = (name: string | RegExp) => screen.findByRole('button', { name })

describe('ConnectionButton', () => {
  it('asks to connect, lists the wallet, and then asks to sign in', async () => {
    signedOut()
    const act = vi.fn()
    const { user } = await show(
      <>
        <ConnectionButton label="Pay" onAct={act} />
        <ConnectDialogHost />
      </>,
    )
    await user.click(await button('Connect wallet'))
    await user.click(await button(/Mock Connector/))
    expect(await button('Sign in')).toBeEnabled()
    expect(act).not.toHaveBeenCalled()
  })

  it('says that the reader declined to connect, and lets him try again', async () => {
    signedOut()
    const features = { connectError: new UserRejectedRequestError(new Error('no')) }
    const { user } = await show(
      <>
        <ConnectionButton label="Pay" onAct={vi.fn()} />
        <ConnectDialogHost />
      </>,
      { features },
    )
    await user.click(await button('Connect wallet'))
    await user.click(await button(/Mock Connector/))
    expect(await screen.findByRole('alert')).toHaveTextContent('You declined in the wallet.')
    expect(await button(/Mock Connector/)).toBeEnabled()
    await user.click(await button('Close'))
  })

  it('asks to switch when the wallet is on another network', async () => {
    signedIn()
    const { config } = await show(<ConnectionButton label="Pay" onAct={vi.fn()} />, { connected: true })
    await button('Pay')
    const current = config.state.current ?? ''
    config.setState((state) => {
      const connection = state.connections.get(current)
      if (!connection) throw new Error('not connected')
      return { ...state, connections: new Map([[current, { ...connection, chainId: 1 }]]) }
    })
    expect(await button(`Switch to ${network.name}`)).toBeEnabled()
  })

  it('signs in with a text that names this site, then becomes the action', async () => {
    signedOut()
    const seen = vi.fn<(body: unknown) => void>()
    const now = new Date()
    server.use(
      http.post('http://localhost:8000/api/v1/auth/nonce', () =>
        HttpResponse.json({
          nonce: 'abcdefgh12345678',
          domain: 'localhost:8000',
          uri: 'http://localhost:8000',
          statement: 'Sign in to AICP.',
          chain_id: 31337,
          issued_at: now.toISOString(),
          expires_at: new Date(now.getTime() + 60_000).toISOString(),
        }),
      ),
      takes('/auth/verify', session, seen),
      // the mock wallet hands signing on to the node; what matters here is the text it is asked to sign
      http.post('http://localhost:8545/', () =>
        HttpResponse.json({ jsonrpc: '2.0', id: 1, result: `0x${'11'.repeat(65)}` }),
      ),
    )
    const act = vi.fn()
    const { user } = await show(<ConnectionButton label="Pay" onAct={act} />, { connected: true })
    await user.click(await button('Sign in'))
    await user.click(await button('Pay'))
    expect(act).toHaveBeenCalledOnce()
    const [[body]] = seen.mock.calls as [[{ message: string; use: string }]]
    const { message, use } = body
    expect(use).toBe('cookie')
    expect(message).toContain('localhost:8000 wants you to sign in with your Ethereum account:')
    expect(message).toContain(buyer.address)
    expect(message).toContain('Nonce: abcdefgh12345678')
  })

  it('does not act for a session of another account', async () => {
    server.use(answers('/auth/session', { ...session, address: '0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65' }))
    await show(<ConnectionButton label="Pay" onAct={vi.fn()} />, { connected: true })
    expect(await button('Sign in')).toBeEnabled()
  })

  it('acts, and shows the sentence of what failed', async () => {
    signedIn()
    const act = vi.fn().mockRejectedValue(new Error('Nothing was signed.'))
    const { user } = await show(<ConnectionButton label="Pay" onAct={act} />, { connected: true })
    await user.click(await button('Pay'))
    await waitFor(() => expect(screen.getByRole('alert')).toHaveTextContent('Nothing was signed.'))
    expect(await button('Pay')).toBeEnabled()
  })
})
