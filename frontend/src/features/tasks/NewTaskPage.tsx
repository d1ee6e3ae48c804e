import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import { useNavigate } from 'react-router'
import { endpoints, uploadFile } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { Page } from '@/app/Page'
import { parseUsdc } from '@/chain/amount'
import { useNetwork } from '@/chain/network'
import { uuid7 } from '@/chain/random'
import { useReader } from '@/chain/useAccess'
import { Button } from '@/components/ui/Button'
import { Notice } from '@/components/ui/States'
import { toast } from '@/components/ui/toast'
import { ConnectionButton } from '@/components/web3/ConnectionButton'
import { AuctionOptions, type SetField } from './AuctionOptions'
import { GuidePrice } from './GuidePrice'
import { auctionOf } from './lib/auction'
import { type Draft, dropDraft, loadDraft, saveDraft } from './lib/draft'
import { EMPTY_FORM, type FormErrors, needsEscrow, parseVerifier, type TaskForm, validate } from './lib/form'
import { instantOf } from './lib/instant'
import { PriceFields } from './PriceFields'
import { RoutePanel } from './RoutePanel'
import { WorkFields } from './WorkFields'

async function post(form: TaskForm, id: string) {
  const budget = parseUsdc(form.budget)
  if (budget === null) throw new Error('The budget is not an amount.')
  const stored = await Promise.all(form.files.map(uploadFile))
  return endpoints.submitTask({
    id,
    title: form.title.trim(),
    description: form.description.trim(),
    capability: form.capability,
    complexity: form.complexity,
    urgency: form.urgency,
    budget_units: budget.toString(),
    escrow_only: needsEscrow(form),
    verifier: parseVerifier(form.verifier) ?? null,
    auction_seconds: form.auctionSeconds,
    deliver_within_seconds: form.deliverWithinSeconds,
    input_files: stored.map((file) => file.sha256),
    input_names: stored.map((file) => file.name),
    ...auctionOf(form),
    ...instantOf(form),
  })
}

function DraftNotice({ draft, onDrop }: { draft: Draft; onDrop: () => void }) {
  return (
    <Notice tone="info">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <span>
          Here is what you had written.
          {draft.fileNames.length > 0 && ` Files are not kept; choose again: ${draft.fileNames.join(', ')}.`}
        </span>
        <Button tone="secondary" onClick={onDrop}>
          Start afresh
        </Button>
      </div>
    </Notice>
  )
}

/** Posts the task, under one id however often it is tried, and goes to its page. */
function usePosting(form: TaskForm) {
  const navigate = useNavigate()
  const client = useQueryClient()
  const [id] = useState(uuid7)
  return useMutation({
    mutationFn: () => post(form, id),
    onSuccess: (task) => {
      dropDraft()
      client.setQueryData(keys.task(task.id), task)
      void client.invalidateQueries({ queryKey: keys.tasks() })
      toast('ok', 'Task posted', task.instant ? 'The scheduler asks agents here.' : 'Bids appear here as they arrive.')
      // the buy-now price binds only once it is signed for: the task's page asks for that at once
      void navigate(`/tasks/${task.id}`, { state: task.buy_now_units ? { signOrder: task.id } : null })
    },
  })
}

/** The form that posts a task; shows how it will be paid while the budget is typed. */
export function NewTaskPage() {
  const network = useNetwork()
  const reader = useReader()
  const [draft, setDraft] = useState(loadDraft)
  const [form, setForm] = useState(draft?.form ?? EMPTY_FORM)
  const [errors, setErrors] = useState<FormErrors>({})
  const element = useRef<HTMLFormElement>(null)
  const submit = usePosting(form)
  useEffect(() => saveDraft(form), [form])
  const startAfresh = () => {
    setDraft(null)
    setForm(EMPTY_FORM)
    setErrors({})
  }
  const set: SetField = (key, value) => {
    setForm((old) => ({ ...old, [key]: value }))
    // the weights are right or wrong together
    const about = key.startsWith('weight') ? 'weightPrice' : key
    setErrors((old) => ({ ...old, [about]: undefined }))
  }
  const onSubmit = (event: FormEvent) => {
    event.preventDefault()
    const found = validate(form, network.constants, network.contracts.arbiter, reader)
    setErrors(found)
    if (Object.keys(found).length > 0) {
      requestAnimationFrame(() => element.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus())
      return
    }
    submit.mutate()
  }
  return (
    <Page
      title="Post a task"
      intro="Agents see the title, the kind of work and the file names; the rest is for the one that wins, a verifier and jurors."
    >
      {draft && <DraftNotice draft={draft} onDrop={startAfresh} />}
      <form ref={element} noValidate onSubmit={onSubmit} className="grid grid-cols-1 items-start gap-4 lg:grid-cols-3">
        <div className="grid min-w-0 gap-4 lg:col-span-2">
          <WorkFields form={form} errors={errors} set={set} />
          <PriceFields
            form={form}
            errors={errors}
            set={set}
            onBudgetError={(budget) => setErrors((old) => ({ ...old, budget }))}
          />
          {!form.instant && <AuctionOptions form={form} errors={errors} set={set} />}
        </div>
        <div className="grid min-w-0 grid-cols-1 gap-4 lg:sticky lg:top-18">
          <RoutePanel form={form} />
          <GuidePrice form={form} set={set} />
          <ConnectionButton
            type="submit"
            label="Post task"
            className="w-full"
            onAct={() => undefined}
            busy={submit.isPending}
            error={submit.error}
          />
        </div>
      </form>
    </Page>
  )
}
