/** The words and names that facts are made of: common words of four to eight letters. */

/** Words for keys, surnames and kept things. */
export const FACT_WORDS: readonly string[] =
  `able account action advice afraid anger animal answer apple april arrow
  artist august autumn balance basket battle beauty bench better bishop bitter blood bottle bread bridge bright broken
  brother brown butter cabinet candle captain carpet castle cattle chance charm cherry church circle clean clever
  cloud coach coast common copper corner cottage cotton country courage court cousin cradle credit crown curtain daily
  dance danger daughter desert dinner direct distant divine doctor double dream eager early earth easter elder empire
  empty engine entire evening family famous father favour feather fellow field figure final finger flower foreign
  forest fortune fountain freedom friend frozen future garden gentle glass golden grace grand grass grave great green
  guard happy harbour harvest heart heavy hidden history honest honour horse humble hunter island jewel journey
  judge justice kettle kitchen ladder lantern large laughter leather lesson letter level liberty light linen little
  lively lonely marble market master meadow measure memory mercy metal middle mirror modern money monthly morning
  mother mountain music narrow nation native nature needle noble normal north notice number object ocean office
  orange order orphan outer paper parlour patient peace pencil people perfect picture pillow planet pleasant pocket
  poetry polite powder present prince prison private promise proper public purple quarter question quiet rapid record
  regular remote report ribbon rider river royal rural sacred sailor saddle scarlet school season secret senate
  servant shadow sharp shelter silent silver simple sister smooth social soldier solemn spirit spring square stable
  station steady stone storm strange stream street summer supper sweet table temple tender thunder timber tower
  town travel treasure trouble trumpet uncle union urgent useful vacant valley velvet vessel village violet violin
  visitor walnut water wealthy weather welcome western whisper white willow window winter wisdom wonder wooden
  world worthy writer yellow young`.split(/\s+/);

/** First names, as the recipe of the embedded model uses them. The grammar's people have others. */
export const FACT_NAMES: readonly string[] =
  `Alice Bob Carol David Emma Frank Grace Henry Irene Jack Karen Leo Mary
  Nathan Olivia Peter Quinn Rachel Sam Tina Victor Wendy Anna Brian Diana Eric Fiona George Helen Ian`
    .split(/\s+/);
