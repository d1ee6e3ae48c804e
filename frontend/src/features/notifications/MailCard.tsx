import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { useOutcome } from '@/api/outcome'
import type { MailboxOut } from '@/api/types'
import { Badge } from '@/components/ui/Badge'
import { Button } from '@/components/ui/Button'
import { Card } from '@/components/ui/Card'
import { TextField } from '@/components/ui/Field'
import { ActionError, ErrorState, SkeletonRows } from '@/components/ui/States'
import { KindsField } from './KindsField'
import { CHOICES, choiceOf } from './lib/kinds'

/** Keeps what the service answers about the mailbox. */
function useMailbox<T>(act: (given: T) => Promise<MailboxOut>) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: act,
    onSuccess: (answer) => client.setQueryData(keys.mailbox, answer),
  })
}

function Confirm() {
  const [code, setCode] = useState('')
  const confirm = useMailbox((given: string) => endpoints.confirmMailbox(given))
  const submit = (event: FormEvent) => {
    event.preventDefault()
    confirm.mutate(code.trim().toUpperCase())
  }
  return (
    <form onSubmit={submit} className="grid gap-3">
      <TextField
        label="Code from the mail"
        hint="It is good for an hour."
        autoComplete="one-time-code"
        maxLength={8}
        value={code}
        onChange={(event) => setCode(event.target.value)}
      />
      <Button type="submit" busy={confirm.isPending} disabled={code.trim().length !== 8}>
        Confirm
      </Button>
      <ActionError error={confirm.error} />
    </form>
  )
}

function Address({ box }: { box: MailboxOut }) {
  const [address, setAddress] = useState(box.address ?? '')
  const [choice, setChoice] = useState('Everything')
  const set = useMailbox(endpoints.setMailbox)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    set.mutate({ address: address.trim(), kinds: CHOICES[choice] ?? null })
  }
  return (
    <form onSubmit={submit} className="grid gap-3">
      <TextField
        label="Mail address"
        type="email"
        autoComplete="email"
        maxLength={254}
        required
        value={address}
        onChange={(event) => setAddress(event.target.value)}
      />
      <KindsField value={choice} onChange={setChoice} />
      <Button type="submit" tone="secondary" busy={set.isPending} disabled={address.trim() === ''}>
        {box.address && !box.confirmed ? 'Send another code' : 'Send me a code'}
      </Button>
      <ActionError error={set.error} />
    </form>
  )
}

function Confirmed({ box }: { box: MailboxOut }) {
  const client = useQueryClient()
  const remove = useMutation({
    mutationFn: endpoints.deleteMailbox,
    onSuccess: () => client.invalidateQueries({ queryKey: keys.mailbox }),
  })
  return (
    <div className="grid gap-3">
      <p className="flex flex-wrap items-center gap-2">
        <span className="min-w-0 break-all">{box.address}</span>
        <Badge tone="ok">confirmed</Badge>
      </p>
      <p className="text-xs text-muted">{choiceOf(box.kinds)}</p>
      <Button tone="danger" busy={remove.isPending} onClick={() => remove.mutate()}>
        Stop the mail
      </Button>
      <ActionError error={remove.error} />
    </div>
  )
}

/** Where notifications are mailed to; nothing where the service sends no mail. */
export function MailCard() {
  const query = useQuery({ queryKey: keys.mailbox, queryFn: endpoints.mailbox })
  const { loading, failure } = useOutcome(query)
  const box = query.data
  if (failure !== null || loading)
    return (
      <Card title="Mail">
        {loading && <SkeletonRows label="Loading the mail settings" rows={2} />}
        {failure !== null && <ErrorState error={failure} onRetry={() => void query.refetch()} />}
      </Card>
    )
  if (!box?.available) return null
  return (
    <Card title="Mail">
      {box.confirmed ? (
        <Confirmed box={box} />
      ) : (
        <div className="grid gap-4">
          {box.address && <Confirm />}
          <Address box={box} />
        </div>
      )}
    </Card>
  )
}
