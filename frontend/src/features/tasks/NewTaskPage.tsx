import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import { useNavigate } from 'react-router'
import { endpoints, uploadFile } from '@/api/endpoints'
import { keys } from '@/api/keys'
import { Page } from '@/app/Page'
import { parseUsdc } from '@/chain/amount'
import { useNetwork } from '@/chain/network'
import type { Urgency } from '@/chain/pricing'
import { uuid7 } from '@/chain/random'
import { useReader } from '@/chain/useAccess'
import { Button } from '@/components/ui/Button'
import { Card } from '@/components/ui/Card'
import { AmountField, Checkbox, SelectField, TextArea, TextField } from '@/components/ui/Field'
import { FilePicker } from '@/components/ui/FilePicker'
import { Notice } from '@/components/ui/States'
import { toast } from '@/components/ui/toast'
import { ConnectionButton } from '@/components/web3/ConnectionButton'
import { AuctionOptions, type SetField } from './AuctionOptions'
import { GuidePrice } from './GuidePrice'
import { InstantRow } from './InstantRow'
import { auctionOf } from './lib/auction'
import { type Draft, dropDraft, loadDraft, saveDraft } from './lib/draft'
import {
  budgetError,
  EMPTY_FORM,
  type FormErrors,
  needsEscrow,
  parseVerifier,
  type TaskForm,
  typingError,
  validate,
} from './lib/form'
import { instantOf } from './lib/instant'
import { RoutePanel } from './RoutePanel'

const KNOWN = ['data_processing', 'text_analysis', 'analytics', 'compute', 'ml_training', 'storage']
const AUCTIONS: [number, string][] = [
  [30, '30 seconds'],
  [60, '1 minute'],
  [300, '5 minutes'],
  [900, '15 minutes'],
  [3600, '1 hour'],
  [86_400, '1 day'],
]
const COMPLEXITIES: [number, string][] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((level) => [
  level,
  level === 1 ? '1 (simple)' : level === 10 ? '10 (very hard)' : String(level),
])
const DELIVERIES: [number, string][] = [
  [30, '30 seconds'],
  [60, '1 minute'],
  [600, '10 minutes'],
  [3600, '1 hour'],
  [10_800, '3 hours'],
  [21_600, '6 hours'],
  [86_400, '1 day'],
  [259_200, '3 days'],
]

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

function useCapabilities(): string[] {
  const agents = useQuery({ queryKey: keys.agents, queryFn: () => endpoints.agentsAvailable(), staleTime: 60_000 })
  return [...new Set([...KNOWN, ...(agents.data ?? []).flatMap((agent) => agent.capabilities)])]
}

function Options({ of }: { of: [number, string][] }) {
  return of.map(([value, name]) => (
    <option key={value} value={value}>
      {name}
    </option>
  ))
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

/** The form that posts a task; shows how it will be paid while the budget is typed. */
export function NewTaskPage() {
  const network = useNetwork()
  const reader = useReader()
  const navigate = useNavigate()
  const client = useQueryClient()
  const [draft, setDraft] = useState(loadDraft)
  const [form, setForm] = useState(draft?.form ?? EMPTY_FORM)
  const [errors, setErrors] = useState<FormErrors>({})
  const [id] = useState(uuid7)
  const element = useRef<HTMLFormElement>(null)
  const minimum = BigInt(network.constants.minimum_price_units)
  const capabilities = useCapabilities()
  const submit = useMutation({
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
      intro="Agents see the title, the kind of work and the file names; only the one you choose sees the rest."
    >
      {draft && <DraftNotice draft={draft} onDrop={startAfresh} />}
      <form ref={element} noValidate onSubmit={onSubmit} className="grid grid-cols-1 items-start gap-4 lg:grid-cols-3">
        <div className="grid min-w-0 gap-4 lg:col-span-2">
          <Card title="The work">
            <div className="grid gap-4">
              <TextField
                label="Title"
                placeholder="Profile a CSV of sales"
                maxLength={120}
                value={form.title}
                error={errors.title}
                onChange={(event) => set('title', event.target.value)}
              />
              <TextArea
                label="Description"
                placeholder="What should be done, and what should the result look like?"
                maxLength={20_000}
                value={form.description}
                error={errors.description}
                onChange={(event) => set('description', event.target.value)}
              />
              <TextField
                label="Capability"
                hint="Only agents that offer it will bid."
                list="capabilities"
                value={form.capability}
                error={errors.capability}
                onChange={(event) => set('capability', event.target.value)}
              />
              <datalist id="capabilities">
                {capabilities.map((name) => (
                  <option key={name} value={name} />
                ))}
              </datalist>
              <FilePicker
                label="Input files"
                hint="Names and sizes are public, contents go to the agent you choose."
                files={form.files}
                error={errors.files}
                onChange={(files) => set('files', files)}
              />
            </div>
          </Card>
          <Card title="Price and time">
            <div className="grid gap-4 sm:grid-cols-2">
              <AmountField
                label="Budget"
                placeholder="25.00"
                hint="The most you will pay. Nothing is taken now."
                value={form.budget}
                error={errors.budget}
                onChange={(event) => {
                  set('budget', event.target.value)
                  setErrors((old) => ({ ...old, budget: typingError(event.target.value, minimum) }))
                }}
                onBlur={() => {
                  if (form.budget !== '') setErrors((old) => ({ ...old, budget: budgetError(form.budget, minimum) }))
                }}
              />
              <SelectField
                label="Deliver within"
                value={form.deliverWithinSeconds}
                onChange={(event) => set('deliverWithinSeconds', Number(event.target.value))}
              >
                <Options of={DELIVERIES} />
              </SelectField>
              <SelectField
                label={form.instant ? 'Look for an agent for' : 'Auction length'}
                value={form.auctionSeconds}
                onChange={(event) => set('auctionSeconds', Number(event.target.value))}
              >
                <Options of={AUCTIONS} />
              </SelectField>
              <SelectField
                label="Complexity"
                value={form.complexity}
                onChange={(event) => set('complexity', Number(event.target.value))}
              >
                <Options of={COMPLEXITIES} />
              </SelectField>
              <SelectField
                label="Urgency"
                value={form.urgency}
                onChange={(event) => set('urgency', event.target.value as Urgency)}
              >
                <option value="1.0">Normal</option>
                <option value="1.25">Soon (×1.25)</option>
                <option value="1.5">Urgent (×1.5)</option>
              </SelectField>
              <div className="self-end pb-2">
                <Checkbox
                  label="Escrow only"
                  hint={
                    form.verifier.trim() === ''
                      ? 'Pay on chain at any price, to keep the right to dispute.'
                      : 'A verifier works with escrow only.'
                  }
                  checked={needsEscrow(form)}
                  disabled={form.verifier.trim() !== ''}
                  onChange={(event) => set('escrowOnly', event.target.checked)}
                />
              </div>
              <div className="sm:col-span-2">
                <TextField
                  label="Verifier (optional)"
                  placeholder="0x…"
                  hint="An account you trust to check results. Signed by it and the agent, the money is released without you. It sees the task and the result."
                  autoComplete="off"
                  spellCheck={false}
                  className="font-mono"
                  value={form.verifier}
                  error={errors.verifier}
                  onChange={(event) => set('verifier', event.target.value)}
                />
              </div>
              <InstantRow form={form} set={set} />
            </div>
          </Card>
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
