import { createContext, use } from 'react'
import type { NetworkOut } from '@/api/types'

const NetworkContext = createContext<NetworkOut | null>(null)

export const NetworkProvider = NetworkContext.Provider

/** The deployment this page talks to. */
export function useNetwork(): NetworkOut {
  const network = use(NetworkContext)
  if (!network) throw new Error('useNetwork is used outside NetworkProvider')
  return network
}
