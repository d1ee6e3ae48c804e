import { Badge } from '../ui/Badge'
import { TIER_WORDS, type TierName } from './score'

export const TierBadge = ({ tier }: { tier: TierName }) => (
  <Badge tone={TIER_WORDS[tier].tone}>{TIER_WORDS[tier].word}</Badge>
)
