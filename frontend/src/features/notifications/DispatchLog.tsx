import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { endpoints } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { useOutcome } from '@/api/outcome'
import type { DispatchOut, WebhookOut } from '@/api/types'
import { Badge, type Tone } from '@/components/ui/Badge'
import { Button } from '@/components/ui/Button'
import { Dialog } from '@/components/ui/Dialog'
import { ActionError, ErrorState, SkeletonRows } from '@/components/ui/States'
import { RelativeTime } from '@/components/ui/Time'

const STATES: Record<DispatchOut['state'], [Tone, string]> = {
  waiting: ['warn', 'waiting'],
  sent: ['ok', 'taken'],
  dead: ['bad', 'given up'],
}
type Try = DispatchOut['tries'][number]
const PROBLEMS: Record<NonNullable<Try['problem']>, string> = {
  address_refused: 'its address may not be called',
  no_answer: 'no answer',
  too_slow: 'no answer in time',
  answer_unusable: 'an answer too large to read',
  status: 'refused',
  mail_refused: 'refused by the mail server',
}

/** What a try came to, in words. */
const outcomeOf = (one: Try) =>
  `${one.problem ? PROBLEMS[one.problem] : 'taken'}${one.status === null ? '' : `, status ${one.status}`}, ${one.milliseconds} ms`

function Row({ hook, item }: { hook: WebhookOut; item: DispatchOut }) {
  const client = useQueryClient()
  const again = useMutation({
    mutationFn: () => endpoints.sendAgain(hook.id, item.id),
    onSuccess: () => client.invalidateQueries({ queryKey: keys.dispatches(hook.id) }),
  })
  const [tone, word] = STATES[item.state]
  const last = item.tries.at(-1)
  return (
    <li className="grid gap-1 border-t border-line py-2.5 first:border-0">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <span className="font-medium">{item.kind.replaceAll('_', ' ')}</span>
        <Badge tone={tone}>{word}</Badge>
      </div>
      <div className="flex flex-wrap items-center justify-between gap-2 text-xs text-muted">
        <span>
          <RelativeTime at={item.created_at} /> · {item.tries.length} {item.tries.length === 1 ? 'try' : 'tries'}
          {last && ` · ${outcomeOf(last)}`}
          {item.next_try_at && last && (
            <>
              {' · next '}
              <RelativeTime at={item.next_try_at} />
            </>
          )}
        </span>
        {item.state !== 'waiting' && (
          <Button tone="quiet" busy={again.isPending} onClick={() => again.mutate()}>
            Send again
          </Button>
        )}
      </div>
      <ActionError error={again.error} />
    </li>
  )
}

/** What was sent to a webhook lately, with every outcome; a ping shows whether it works. */
export function DispatchLog({ hook, onClose }: { hook: WebhookOut; onClose: () => void }) {
  const client = useQueryClient()
  const query = useQuery({
    queryKey: keys.dispatches(hook.id),
    queryFn: () => endpoints.dispatches(hook.id, { limit: 20 }),
    refetchInterval: 3000,
  })
  const ping = useMutation({
    mutationFn: () => endpoints.pingWebhook(hook.id),
    onSuccess: () => client.invalidateQueries({ queryKey: keys.dispatches(hook.id) }),
  })
  const { loading, failure } = useOutcome(query)
  return (
    <Dialog title="What was sent" onClose={onClose}>
      <div className="grid gap-3">
        <p className="font-mono text-xs break-all">{hook.url}</p>
        <Button tone="secondary" busy={ping.isPending} onClick={() => ping.mutate()}>
          Send a ping
        </Button>
        <ActionError error={ping.error} />
        {loading && <SkeletonRows label="Loading the log" rows={3} />}
        {failure !== null && <ErrorState error={failure} onRetry={() => void query.refetch()} />}
        {query.data?.items.length === 0 && <p className="text-sm text-muted">Nothing was sent there yet.</p>}
        {query.data && query.data.items.length > 0 && (
          <ul aria-label="Messages">
            {query.data.items.map((item) => (
              <Row key={item.id} hook={hook} item={item} />
            ))}
          </ul>
        )}
      </div>
    </Dialog>
  )
}
