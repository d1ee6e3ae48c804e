import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useSignMessage, useSwitchChain } from 'wagmi'
import { keys } from '@/api/keys'
import { signIn } from '@/api/session'
import { useNetwork } from '@/chain/network'
import { useAccess } from '@/chain/useAccess'
import { Button, type ButtonProps } from '../ui/Button'
import { ActionError } from '../ui/States'
import { openConnect } from './ConnectDialog'

interface ConnectionButtonProps extends Pick<ButtonProps, 'tone' | 'className' | 'disabled'> {
  /** The name of the action itself, shown once the reader can take it. */
  label: string
  onAct: () => unknown
  /** What the action failed with last, when the caller tracks it. */
  error?: unknown
  busy?: boolean
  /** `submit` when the button sends a form; `onAct` is then left to the form. */
  type?: 'button' | 'submit'
}

function useStep(label: string, onAct: () => unknown) {
  const network = useNetwork()
  const access = useAccess()
  const client = useQueryClient()
  const switching = useSwitchChain()
  const signing = useSignMessage()
  const [pending, setPending] = useState(false)
  const [error, setError] = useState<unknown>(null)

  const run = async (step: () => Promise<unknown>) => {
    setPending(true)
    setError(null)
    try {
      await step()
    } catch (cause) {
      setError(cause)
    } finally {
      setPending(false)
    }
  }

  switch (access.state) {
    case 'reconnecting':
      return { name: 'Reconnecting…', act: undefined, pending: true, error, ready: false }
    case 'disconnected':
      return { name: 'Connect wallet', act: openConnect, pending, error, ready: false }
    case 'wrong-network': {
      const act = () => run(() => switching.mutateAsync({ chainId: network.chain_id }))
      return { name: `Switch to ${network.name}`, act, pending, error, ready: false }
    }
    case 'signed-out': {
      const act = () =>
        run(async () => {
          const session = await signIn(access.address, (message) => signing.mutateAsync({ message }))
          client.setQueryData(keys.session, session)
        })
      return { name: 'Sign in', act, pending, error, ready: false }
    }
    case 'ready':
      return { name: label, act: () => run(async () => onAct()), pending, error, ready: true }
  }
}

/** ONE button that leads from "no wallet" to the action: connect, switch network, sign in, act. Errors show below it. */
export function ConnectionButton({
  label,
  onAct,
  busy,
  disabled,
  error,
  type = 'button',
  ...rest
}: ConnectionButtonProps) {
  const step = useStep(label, onAct)
  return (
    <div className="grid gap-2">
      <Button
        {...rest}
        type={step.ready ? type : 'button'}
        busy={step.pending || (step.ready && busy)}
        disabled={step.ready && disabled}
        onClick={step.ready && type === 'submit' ? undefined : () => void step.act?.()}
      >
        {step.name}
      </Button>
      <ActionError error={step.error ?? error} />
    </div>
  )
}
