import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { useOutcome } from '@/api/outcome'
import type { WebhookOut } from '@/api/types'
import { Button } from '@/components/ui/Button'
import { Card } from '@/components/ui/Card'
import { CopyButton } from '@/components/ui/CopyButton'
import { Dialog } from '@/components/ui/Dialog'
import { TextField } from '@/components/ui/Field'
import { ActionError, ErrorState, Notice, SkeletonRows } from '@/components/ui/States'
import { DispatchLog } from './DispatchLog'
import { KindsField } from './KindsField'
import { CHOICES, choiceOf } from './lib/kinds'

function NewWebhook({ onSecret }: { onSecret: (secret: string) => void }) {
  const client = useQueryClient()
  const [url, setUrl] = useState('')
  const [choice, setChoice] = useState('Everything')
  const add = useMutation({
    mutationFn: () => endpoints.addWebhook({ url: url.trim(), kinds: CHOICES[choice] ?? null }),
    onSuccess: (made) => {
      setUrl('')
      onSecret(made.secret)
      return client.invalidateQueries({ queryKey: keys.webhooks })
    },
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    add.mutate()
  }
  return (
    <form onSubmit={submit} className="grid gap-3">
      <TextField
        label="URL"
        inputMode="url"
        autoComplete="off"
        placeholder="https://"
        maxLength={2048}
        required
        value={url}
        onChange={(event) => setUrl(event.target.value)}
      />
      <KindsField value={choice} onChange={setChoice} />
      <Button type="submit" tone="secondary" busy={add.isPending} disabled={url.trim() === ''}>
        Add webhook
      </Button>
      <ActionError error={add.error} />
    </form>
  )
}

function Row({ hook }: { hook: WebhookOut }) {
  const client = useQueryClient()
  const [shown, setShown] = useState<'log' | 'delete' | null>(null)
  const remove = useMutation({
    mutationFn: () => endpoints.deleteWebhook(hook.id),
    onSuccess: () => client.invalidateQueries({ queryKey: keys.webhooks }),
  })
  return (
    <li className="grid gap-2 border-t border-line py-3 first:border-0 first:pt-0">
      <div className="min-w-0">
        <p className="font-mono text-xs break-all">{hook.url}</p>
        <p className="text-xs text-muted">{choiceOf(hook.kinds)}</p>
      </div>
      <div className="flex flex-wrap gap-2">
        <Button tone="secondary" onClick={() => setShown('log')} aria-label={`Log of ${hook.url}`}>
          Log
        </Button>
        <Button tone="danger" onClick={() => setShown('delete')} aria-label={`Delete ${hook.url}`}>
          Delete
        </Button>
      </div>
      {shown === 'log' && <DispatchLog hook={hook} onClose={() => setShown(null)} />}
      {shown === 'delete' && (
        <Dialog title="Delete this webhook?" onClose={() => setShown(null)}>
          <div className="grid gap-4">
            <p className="font-mono text-xs break-all">{hook.url}</p>
            <p>Nothing more is sent there, also not what waits to be sent again.</p>
            <Button tone="danger" busy={remove.isPending} onClick={() => remove.mutate()}>
              Delete
            </Button>
            <ActionError error={remove.error} />
          </div>
        </Dialog>
      )}
    </li>
  )
}

function Secret({ secret, onDone }: { secret: string; onDone: () => void }) {
  return (
    <Notice tone="warn">
      <p className="font-medium">The secret its messages are signed with</p>
      <p className="flex items-center gap-1">
        <code className="min-w-0 text-xs break-all">{secret}</code>
        <CopyButton value={secret} label="Copy the secret" />
      </p>
      <p className="text-xs">Keep it now: it is shown this once.</p>
      <Button tone="secondary" className="mt-2" onClick={onDone}>
        I have it
      </Button>
    </Notice>
  )
}

/** The reader's webhooks: where notifications are sent besides the inbox. */
export function WebhooksCard() {
  const query = useQuery({ queryKey: keys.webhooks, queryFn: endpoints.webhooks })
  const [secret, setSecret] = useState<string | null>(null)
  const { loading, failure } = useOutcome(query)
  return (
    <Card title="Webhooks">
      {loading && <SkeletonRows label="Loading webhooks" rows={2} />}
      {failure !== null && <ErrorState error={failure} onRetry={() => void query.refetch()} />}
      {query.data && (
        <div className="grid gap-4">
          {query.data.length === 0 && (
            <p className="text-sm text-muted">Have notifications sent to a program of yours, signed.</p>
          )}
          {query.data.length > 0 && (
            <ul aria-label="Webhooks">
              {query.data.map((hook) => (
                <Row key={hook.id} hook={hook} />
              ))}
            </ul>
          )}
          {secret && <Secret secret={secret} onDone={() => setSecret(null)} />}
          <NewWebhook onSecret={setSecret} />
        </div>
      )}
    </Card>
  )
}
