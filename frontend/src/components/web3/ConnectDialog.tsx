import { Wallet } from 'lucide-react'
import { useEffect } from 'react'
import { useConnect, useConnection, useConnectors } from 'wagmi'
import { create } from 'zustand'
import { useNetwork } from '@/chain/network'
import { offeredConnectors } from '@/chain/wagmi'
import { Dialog } from '../ui/Dialog'
import { ActionError, Notice } from '../ui/States'

const useOpen = create<{ open: boolean }>(() => ({ open: false }))

/** Opens the list of wallets, from any connect button. */
export const openConnect = () => useOpen.setState({ open: true })
const close = () => useOpen.setState({ open: false })

function WalletList() {
  const network = useNetwork()
  const connect = useConnect()
  const offered = offeredConnectors(useConnectors())
  const provider = typeof window !== 'undefined' && 'ethereum' in window
  const wallets = offered.filter((connector) => connector.id !== 'injected' || provider)
  if (wallets.length === 0)
    return (
      <Notice tone="info">
        No wallet was found in this browser. Install MetaMask or another browser wallet, then reload this page. Browsing
        needs no wallet.
      </Notice>
    )
  return (
    <div className="grid gap-2">
      {wallets.map((connector) => (
        <button
          key={connector.uid}
          type="button"
          disabled={connect.isPending}
          onClick={() => connect.mutate({ connector, chainId: network.chain_id }, { onSuccess: close })}
          className="flex min-h-12 items-center gap-3 rounded-control border border-line px-3 text-left font-medium hover:bg-sunken disabled:opacity-60"
        >
          {connector.icon ? (
            <img src={connector.icon} alt="" className="size-7 rounded-md" />
          ) : (
            <Wallet aria-hidden className="size-6 text-muted" />
          )}
          <span className="flex-1">{connector.id === 'injected' ? 'Browser wallet' : connector.name}</span>
          <span className="text-xs font-normal text-muted">installed</span>
        </button>
      ))}
      {connect.isPending && (
        <p role="status" className="text-sm text-muted">
          Confirm in your wallet…
        </p>
      )}
      <ActionError error={connect.error} />
    </div>
  )
}

/** The list of installed wallets. Mounted once. */
export function ConnectDialogHost() {
  const { open } = useOpen()
  const { status } = useConnection()
  useEffect(() => {
    if (status === 'connected') close()
  }, [status])
  if (!open) return null
  return (
    <Dialog title="Connect a wallet" onClose={close}>
      <WalletList />
    </Dialog>
  )
}
