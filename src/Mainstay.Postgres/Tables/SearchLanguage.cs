namespace Mainstay;

/// <summary>How PostgreSQL takes text apart for a search: which words count, and which forms are the same word. The members are its text-search configurations.</summary>
public enum SearchLanguage
{
    /// <summary>Every word counts, as it is written; letter case does not. For names, codes, and texts in several languages.</summary>
    Simple,

    /// <summary>Arabic.</summary>
    Arabic,

    /// <summary>Armenian.</summary>
    Armenian,

    /// <summary>Basque.</summary>
    Basque,

    /// <summary>Catalan.</summary>
    Catalan,

    /// <summary>Danish.</summary>
    Danish,

    /// <summary>Dutch.</summary>
    Dutch,

    /// <summary>English: "running" finds "run", and "the" finds nothing.</summary>
    English,

    /// <summary>Finnish.</summary>
    Finnish,

    /// <summary>French.</summary>
    French,

    /// <summary>German.</summary>
    German,

    /// <summary>Greek.</summary>
    Greek,

    /// <summary>Hindi.</summary>
    Hindi,

    /// <summary>Hungarian.</summary>
    Hungarian,

    /// <summary>Indonesian.</summary>
    Indonesian,

    /// <summary>Irish.</summary>
    Irish,

    /// <summary>Italian.</summary>
    Italian,

    /// <summary>Lithuanian.</summary>
    Lithuanian,

    /// <summary>Nepali.</summary>
    Nepali,

    /// <summary>Norwegian.</summary>
    Norwegian,

    /// <summary>Portuguese.</summary>
    Portuguese,

    /// <summary>Romanian.</summary>
    Romanian,

    /// <summary>Russian.</summary>
    Russian,

    /// <summary>Serbian.</summary>
    Serbian,

    /// <summary>Spanish.</summary>
    Spanish,

    /// <summary>Swedish.</summary>
    Swedish,

    /// <summary>Tamil.</summary>
    Tamil,

    /// <summary>Turkish.</summary>
    Turkish,

    /// <summary>Yiddish.</summary>
    Yiddish,
}
