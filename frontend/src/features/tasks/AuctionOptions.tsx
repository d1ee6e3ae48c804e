import { ChevronRight } from 'lucide-react'
import { useEffect, useState } from 'react'
import { formatRate } from '@/chain/amount'
import { isTaskType } from '@/chain/specialties'
import { specialtyWord } from '@/components/market/score'
import { cn } from '@/components/ui/cn'
import { AmountField, SelectField, TextField } from '@/components/ui/Field'
import { type AuctionForm, auctionText, sumOf, type WeightsForm, weightsOf } from './lib/auction'
import type { FormErrors, TaskForm } from './lib/form'

const SHOWING: [number, string][] = [
  [60, 'shown within 1 minute'],
  [300, 'shown within 5 minutes'],
  [1800, 'shown within 30 minutes'],
  [3600, 'shown within 1 hour'],
  [86_400, 'shown within 1 day'],
]
const WINDOWS: [number, string][] = [
  [0, 'No'],
  [10, 'in the last 10 seconds'],
  [60, 'in the last minute'],
  [300, 'in the last 5 minutes'],
]
const WEIGHTS: readonly (readonly [keyof WeightsForm, string])[] = [
  ['weightPrice', 'Price'],
  ['weightReputation', 'Reputation'],
  ['weightTime', 'Promised time'],
  ['weightSpecialty', 'Specialty'],
]

export type SetField = <K extends keyof TaskForm>(key: K, value: TaskForm[K]) => void

interface AuctionOptionsProps {
  form: TaskForm
  errors: FormErrors
  set: SetField
}

function SumOfWeights({ form }: { form: AuctionForm }) {
  const weights = weightsOf(form)
  return (
    <p aria-live="polite" className="text-xs text-muted">
      Together: {weights === null ? 'no percents yet' : formatRate(sumOf(weights))} of 100%.
    </p>
  )
}

/** The weights of the published rule, in percent, and the most it awards at. */
function RuleFields({ form, errors, set }: AuctionOptionsProps) {
  const specialty = isTaskType(form.capability)
    ? `Specialty: the agent's score in ${specialtyWord(form.capability)}.`
    : 'This capability is no specialty, so that weight counts the same for every bid.'
  return (
    <fieldset className="grid grid-cols-1 gap-3 rounded-control bg-sunken p-3 sm:col-span-2">
      <legend className="sr-only">What counts</legend>
      <div className="grid grid-cols-2 gap-3 sm:grid-cols-4">
        {WEIGHTS.map(([name, label]) => (
          <TextField
            key={name}
            label={`${label} %`}
            inputMode="decimal"
            autoComplete="off"
            value={form[name]}
            aria-invalid={errors.weightPrice ? true : undefined}
            onChange={(event) => set(name, event.target.value)}
          />
        ))}
      </div>
      {errors.weightPrice ? <p className="text-xs text-bad">{errors.weightPrice}</p> : <SumOfWeights form={form} />}
      <p className="text-xs text-muted">
        Each bid gets points for these, and the most points win; anyone can compute it again. {specialty}
      </p>
      <AmountField
        label="Reserve price (optional)"
        hint="The rule takes nothing above it. It is public."
        value={form.reserve}
        error={errors.reserve}
        onChange={(event) => set('reserve', event.target.value)}
      />
    </fieldset>
  )
}

/** How bids come in and who chooses, folded: the default is the simplest auction. */
export function AuctionOptions(props: AuctionOptionsProps) {
  const { form, errors, set } = props
  const sealed = form.revealSeconds > 0
  const isWrong = Boolean(errors.weightPrice || errors.reserve || errors.buyNow)
  const [open, setOpen] = useState(false)
  useEffect(() => {
    // what is wrong must be seen
    if (isWrong) setOpen(true)
  }, [isWrong])
  return (
    <details
      open={open}
      onToggle={(event) => setOpen(event.currentTarget.open)}
      className="rounded-card border border-line bg-surface"
    >
      <summary className="flex min-h-11 cursor-pointer items-center gap-2 px-4 py-2">
        <ChevronRight
          aria-hidden
          className={cn('size-4 shrink-0 text-muted transition-transform', open && 'rotate-90')}
        />
        <span className="flex min-w-0 flex-wrap items-baseline gap-x-2">
          <span className="text-sm font-semibold">Auction options</span>
          <span className="text-xs text-muted">{auctionText(form)}</span>
        </span>
      </summary>
      <div className="grid grid-cols-1 gap-4 border-t border-line p-4 sm:grid-cols-2">
        <SelectField
          label="Winner"
          hint={form.award === 'rule' ? 'Awarded by itself after the end.' : 'You look at the bids and choose.'}
          value={form.award}
          onChange={(event) => set('award', event.target.value as AuctionForm['award'])}
        >
          <option value="buyer">I choose</option>
          <option value="rule">By the published rule</option>
        </SelectField>
        <SelectField
          label="Bids"
          hint={sealed ? 'Nobody sees a price before the end.' : 'Everybody sees each bid at once.'}
          value={form.revealSeconds}
          onChange={(event) => set('revealSeconds', Number(event.target.value))}
        >
          <option value={0}>Open</option>
          {SHOWING.map(([value, name]) => (
            <option key={value} value={value}>
              Sealed, {name}
            </option>
          ))}
        </SelectField>
        {form.award === 'rule' && <RuleFields {...props} />}
        <AmountField
          label="Buy-now price (optional)"
          hint={
            sealed
              ? 'Not with sealed bids: nobody sees them in time.'
              : 'A bid at or below it wins at once. You sign for it after posting.'
          }
          value={sealed ? '' : form.buyNow}
          disabled={sealed}
          error={sealed ? undefined : errors.buyNow}
          onChange={(event) => set('buyNow', event.target.value)}
        />
        <SelectField
          label="Extend for late bids"
          hint={sealed ? 'Not with sealed bids.' : 'A late bid moves the end, so others can answer it.'}
          value={sealed ? 0 : form.extensionSeconds}
          disabled={sealed}
          onChange={(event) => set('extensionSeconds', Number(event.target.value))}
        >
          {WINDOWS.map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </SelectField>
      </div>
    </details>
  )
}
