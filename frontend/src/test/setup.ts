import '@testing-library/jest-dom/vitest'
import { cleanup } from '@testing-library/react'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { setServerTime } from '@/chain/clock'
import { NOW } from './fixtures'
import { server } from './server'

beforeAll(() => server.listen({ onUnhandledRequest: 'error' }))
// the fixtures are as old as the first file that used them
beforeEach(() => setServerTime(new Date(NOW * 1000).toISOString()))
afterEach(() => {
  cleanup()
  server.resetHandlers()
  localStorage.clear()
  sessionStorage.clear()
})
afterAll(() => server.close())
