import type { QueryClient } from '@tanstack/react-query'
import { create } from 'zustand'
import { sentenceOf } from '@/chain/errors'
import { toast } from '@/components/ui/toast'
import { ProblemError } from './client'
import { endpoints } from './endpoints'
import { keys } from './keys'
import { INITIAL_LIVE, type LiveEffect, type LiveState, mergeBid, reduceLive } from './liveReducer'
import type { BidOut, ServerEvent } from './types'

export type LiveStatus = 'connecting' | 'live' | 'reconnecting' | 'paused'

/** The state of the event stream, for the badge. */
export const useLiveStatus = create<{ status: LiveStatus }>(() => ({ status: 'connecting' }))

/** Milliseconds between reads by hand: often while the stream is away; seldom while it is live, in case an event was lost. */
export const usePolling = (): number => (useLiveStatus().status === 'live' ? 20_000 : 4000)

const FIRST_DELAY_MS = 500
const LAST_DELAY_MS = 15_000
/** The server beats every 15 s; a silence of two beats and a half means the connection is dead. */
const SILENCE_MS = 38_000

function apply(client: QueryClient, effect: LiveEffect) {
  switch (effect.do) {
    case 'invalidate-all':
      void client.invalidateQueries()
      break
    case 'invalidate':
      void client.invalidateQueries({ queryKey: effect.key })
      break
    case 'patch-bid': {
      const key = keys.bids(effect.taskId)
      // without a loaded list there is nothing to patch, and a list of one would hide the others
      if (client.getQueryData(key)) client.setQueryData<BidOut[]>(key, (bids) => mergeBid(bids, effect.bid))
      void client.invalidateQueries({ queryKey: key })
      break
    }
  }
}

/** Says at once when something the reader has signed did not go through. */
function tell(event: ServerEvent) {
  if (event.type !== 'intent.changed') return
  const sentence = event.error_code && sentenceOf(event.error_code)
  if (event.state === 'failed')
    toast('bad', 'A transaction for you failed', sentence ?? 'See Activity for what happened.')
  if (event.state === 'expired') toast('bad', 'A signature expired unused', 'Nothing has moved; sign again.')
}

/**
 * Keeps one WebSocket open while the page is visible and feeds its events to the query cache. A signed-in page asks for
 * a one-time ticket before each connection; `since` resumes after the last event seen. Returns the function that ends it.
 */
export function startLive(client: QueryClient, signedIn: boolean): () => void {
  let state: LiveState = INITIAL_LIVE
  let socket: WebSocket | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  let silence: ReturnType<typeof setTimeout> | undefined
  let delay = FIRST_DELAY_MS
  let ended = false
  const set = (status: LiveStatus) => useLiveStatus.setState({ status })

  const close = () => {
    clearTimeout(timer)
    clearTimeout(silence)
    const old = socket
    socket = null
    old?.close()
  }

  const retry = () => {
    if (ended || document.hidden) return
    set('reconnecting')
    clearTimeout(timer)
    timer = setTimeout(connect, delay * (0.5 + Math.random()))
    delay = Math.min(delay * 2, LAST_DELAY_MS)
  }

  const heard = () => {
    clearTimeout(silence)
    silence = setTimeout(() => {
      close()
      retry()
    }, SILENCE_MS)
  }

  async function connect() {
    try {
      const query = new URLSearchParams()
      if (signedIn) query.set('ticket', (await endpoints.ticket()).ticket)
      if (state.last !== null) query.set('since', String(state.last))
      if (ended || document.hidden) return
      const url = new URL(`/api/v1/ws?${query}`, location.href)
      url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'
      const opened = new WebSocket(url)
      socket = opened
      opened.onmessage = (message) => {
        heard()
        const event = JSON.parse(String(message.data)) as ServerEvent
        if (event.type === 'hello') {
          delay = FIRST_DELAY_MS
          set('live')
        }
        const step = reduceLive(state, event)
        state = step.state
        for (const effect of step.effects) apply(client, effect)
        if (step.effects.length > 0) tell(event)
      }
      opened.onclose = () => {
        if (socket !== opened) return
        socket = null
        clearTimeout(silence)
        retry()
      }
      heard()
    } catch (error) {
      // a refused ticket means that the session ended: reading it again restarts the stream without one
      if (error instanceof ProblemError && error.status === 401)
        void client.invalidateQueries({ queryKey: keys.session })
      retry()
    }
  }

  const onVisibility = () => {
    if (document.hidden) {
      close()
      set('paused')
    } else if (!socket) {
      set('reconnecting')
      delay = FIRST_DELAY_MS
      void connect()
    }
  }

  set('connecting')
  document.addEventListener('visibilitychange', onVisibility)
  void connect()
  return () => {
    ended = true
    document.removeEventListener('visibilitychange', onVisibility)
    close()
  }
}
